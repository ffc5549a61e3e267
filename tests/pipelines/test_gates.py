"""Gates: which header or image withholds or flags what."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipelines.acquisition import AcquisitionHeader
from pipelines.anatomy import Level
from pipelines.gates.concern import Reach
from pipelines.gates.contrast import check_contrast
from pipelines.gates.kernel import is_sharp
from pipelines.quality import check_header
from pipelines.reasons import Reason
from pipelines.spaces import Geometry
from pipelines.volume import CtVolume, Segmentation
from tests.pipelines.stacks import Stack, centre_of

GOOD = AcquisitionHeader(
    kvp=120,
    convolution_kernel="STANDARD",
    slice_thickness_mm=3,
    contrast_agent=None,
    patient_age_years=63,
    patient_sex="F",
    patient_position="HFS",
    manufacturer=None,
    model_name=None,
)


def volume(stack: Stack | None = None, **header: Any) -> CtVolume:
    plan = stack or Stack()
    return CtVolume(
        hu=plan.hu().astype(np.float32),
        geometry=Geometry(affine=plan.affine, shape=plan.shape, frame_of_reference_uid="1.2"),
        frames=(),
        header=replace(GOOD, **header),
    )


@pytest.mark.parametrize(
    ("header", "reason", "reach"),
    [
        ({"kvp": None}, Reason.KVP_MISSING, Reach.WITHHOLD_DENSITY),
        ({"kvp": 80}, Reason.KVP_TOO_LOW, Reach.WITHHOLD_DENSITY),
        ({"kvp": 100}, Reason.KVP_NOT_120, Reach.WITHHOLD_DENSITY),
        ({"kvp": 140}, Reason.KVP_NOT_120, Reach.WITHHOLD_DENSITY),
        ({"convolution_kernel": "BONE"}, Reason.SHARP_KERNEL, Reach.FLAG),
        ({"slice_thickness_mm": 6}, Reason.SLICE_TOO_THICK, Reach.WITHHOLD_ALL),
        ({"patient_age_years": 17.9}, Reason.MINOR, Reach.WITHHOLD_ALL),
        ({"rescale_type": "ED"}, Reason.NOT_HOUNSFIELD, Reach.WITHHOLD_ALL),
    ],
)
def test_header_raises_its_concern(header: dict[str, Any], reason: Reason, reach: Reach) -> None:
    """One attribute out of range, one concern with its reach."""
    (concern,) = check_header(volume(**header)).concerns

    assert (concern.reason, concern.reach) == (reason, reach)


@pytest.mark.parametrize("header", [{}, {"slice_thickness_mm": 5}, {"patient_age_years": None}])
def test_good_header_raises_none(header: dict[str, Any]) -> None:
    """5 mm is still good, and an unknown age is no reason to withhold attenuation."""
    assert check_header(volume(**header)).concerns == ()


def test_slices_far_apart_are_withheld_whatever_their_thickness() -> None:
    """Gaps between thin slices count like thickness."""
    sparse = Stack(spacing_mm=(7.0, 1.2, 1.2), shape=(24, 64, 72))

    assert check_header(volume(sparse, slice_thickness_mm=2)).withheld_because == (
        Reason.SLICE_TOO_THICK
    )


def test_tilted_gantry_is_flagged() -> None:
    """Positions are right, sampling is oblique."""
    assert check_header(volume(Stack(tilt_degrees=10))).reasons == (Reason.GANTRY_TILT,)


@pytest.mark.parametrize(
    ("kernel", "sharp"),
    [
        ("STANDARD", False),
        ("SOFT", False),
        ("BONE", True),
        ("LUNG", True),
        ("Br38f\\3", False),
        ("B30f", False),
        ("B70s", True),
        ("Br64d\\3", True),
        ("FC08", False),
        ("FC30", True),
        ("B", False),
        ("YB", True),
        ("something new", False),
    ],
)
def test_kernel_names_of_the_vendors(kernel: str, sharp: bool) -> None:
    """GE, Siemens, Canon and Philips names; an unknown name says nothing."""
    assert is_sharp(kernel) is sharp


def with_vessel(hu: float) -> tuple[CtVolume, Segmentation]:
    """A vessel of 20 mm before the four bodies."""
    plan = Stack(shape=(56, 110, 72))
    ct = volume(plan)
    labels = plan.labels()
    index = np.moveaxis(np.indices(plan.shape), 0, -1) @ plan.affine[:3, :3].T + plan.affine[:3, 3]
    x, y, _ = centre_of(Level.L1)
    inside = np.hypot(index[..., 0] - x, index[..., 1] - (y - 16 - 14)) < 10
    changed = ct.hu.copy()
    changed[inside] = hu
    return replace(ct, hu=changed), Segmentation(labels=labels, geometry=ct.geometry)


@pytest.mark.parametrize(("hu", "flagged"), [(45, False), (160, True), (320, True)])
def test_bright_vessels_mean_contrast_though_the_header_is_silent(hu: float, flagged: bool) -> None:
    """Blood without contrast is dark; headers forget injections."""
    assert (check_contrast(*with_vessel(hu)) is not None) is flagged


def test_named_agent_is_believed() -> None:
    """A header that names an agent is flagged whatever the vessels look like."""
    ct, segmentation = with_vessel(45)
    named = replace(ct, header=replace(ct.header, contrast_agent="OMNIPAQUE"))

    concern = check_contrast(named, segmentation)

    assert concern is not None
    assert concern.reason == Reason.CONTRAST_POSSIBLE
