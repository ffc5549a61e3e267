"""Gates: headers and images that flag or withhold values."""

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.contract.anatomy import Level
from pipelines.contract.findings import ContrastPhase
from pipelines.contract.kernels import is_sharp
from pipelines.contract.reasons import Reason
from pipelines.gates import all_gates
from pipelines.gates.all_gates import check_header, check_image
from pipelines.gates.concern import Reach, Scan
from pipelines.gates.contrast_phase import phase_of
from pipelines.gates.vessels import Perfusion
from pipelines.gates.voltage import check_voltage
from pipelines.read.acquisition import AcquisitionHeader
from pipelines.read.volume import CtVolume, Segmentation
from pipelines.space.coordinates import Geometry
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
        ({"convolution_kernel": "BONE"}, Reason.SHARP_KERNEL, Reach.FLAG),
        ({"slice_thickness_mm": 6}, Reason.SLICE_TOO_THICK, Reach.WITHHOLD_ALL),
        ({"patient_age_years": 17.9}, Reason.MINOR, Reach.WITHHOLD_ALL),
        ({"rescale_type": "ED"}, Reason.NOT_HOUNSFIELD, Reach.WITHHOLD_ALL),
    ],
)
def test_header_raises_its_concern(header: dict[str, Any], reason: Reason, reach: Reach) -> None:
    """One attribute out of range raises one concern with its reach."""
    (concern,) = check_header(volume(**header)).concerns

    assert (concern.reason, concern.reach) == (reason, reach)


@pytest.mark.parametrize("header", [{}, {"slice_thickness_mm": 5}, {"patient_age_years": None}])
def test_good_header_raises_none(header: dict[str, Any]) -> None:
    """Slices of 5 mm and an unknown age withhold nothing."""
    assert check_header(volume(**header)).concerns == ()


def test_thin_slices_far_apart_are_withheld() -> None:
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
    """GE, Siemens, Canon and Philips names; an unknown name is not sharp."""
    assert is_sharp(kernel) is sharp


def with_vessel(hu: float, stack: Stack | None = None) -> tuple[CtVolume, Segmentation]:
    """Return a CT with a vessel of 20 mm in front of the four bodies."""
    plan = stack or Stack(shape=(56, 110, 72))
    ct = volume(plan)
    labels = plan.labels()
    index = np.moveaxis(np.indices(plan.shape), 0, -1) @ plan.affine[:3, :3].T + plan.affine[:3, 3]
    x, y, _ = centre_of(Level.L1)
    inside = np.hypot(index[..., 0] - x, index[..., 1] - (y - 16 - 14)) < 10
    changed = ct.hu.copy()
    changed[inside] = hu
    return replace(ct, hu=changed), Segmentation(labels=labels, geometry=ct.geometry)


@pytest.mark.parametrize(
    ("hu", "phase", "reason"),
    [
        (45, ContrastPhase.NONE, None),
        (160, ContrastPhase.PORTAL_VENOUS, Reason.CONTRAST_PORTAL_VENOUS),
    ],
)
def test_vessels_show_contrast_without_a_header(
    hu: float, phase: ContrastPhase, reason: Reason | None
) -> None:
    """Enhanced blood is bright, also if the header has no agent."""
    ct, segmentation = with_vessel(hu)
    quality = check_image(ct, segmentation, check_header(ct))

    assert quality.phase is phase
    assert quality.reasons == (() if reason is None else (reason,))


def test_noise_of_thin_slices_hides_no_phase() -> None:
    """At 0.6 mm and low dose many voxels of blood lie below water."""
    ct, segmentation = with_vessel(45, Stack(spacing_mm=(0.6, 1.2, 1.2), shape=(280, 110, 72)))
    noise = np.random.default_rng(1).normal(0, 40, ct.hu.shape).astype(np.float32)
    noisy = replace(ct, hu=ct.hu + noise)

    assert check_image(noisy, segmentation, check_header(noisy)).phase is ContrastPhase.NONE


def test_named_agent_is_flagged() -> None:
    """A scan whose header names an agent is flagged, also with dark vessels."""
    ct, segmentation = with_vessel(45)
    named = replace(ct, header=replace(ct.header, contrast_agent="OMNIPAQUE"))

    quality = check_image(named, segmentation, check_header(named))

    assert quality.reasons == (Reason.CONTRAST_POSSIBLE,)
    assert quality.phase is ContrastPhase.UNKNOWN


@pytest.mark.parametrize(
    ("aorta", "cava", "kidney", "phase"),
    [
        (45, 42, 35, ContrastPhase.NONE),
        (300, 60, 90, ContrastPhase.ARTERIAL),
        (155, 145, 180, ContrastPhase.PORTAL_VENOUS),
        (200, 170, 180, ContrastPhase.PORTAL_VENOUS),
        (100, 98, 140, ContrastPhase.DELAYED),
        (100, 98, 40, ContrastPhase.UNKNOWN),
        (None, None, 40, ContrastPhase.UNKNOWN),
    ],
)
def test_phase_by_vessels_and_kidneys(
    aorta: float | None, cava: float | None, kidney: float, phase: ContrastPhase
) -> None:
    """Typical attenuation of the phases (arterial aorta 250-350, portal venous 140-170 HU)."""
    seen = Perfusion(brightest=aorta, aorta=aorta, cava=cava, kidney=kidney)

    assert phase_of(seen, is_named=False) is phase


def test_bright_bowel_before_a_dark_aorta_is_no_phase() -> None:
    """Oral contrast does not count as a phase."""
    seen = Perfusion(brightest=300, aorta=60, cava=55, kidney=40)

    assert phase_of(seen, is_named=False) is ContrastPhase.UNKNOWN


@pytest.mark.parametrize(
    ("kvp", "has_entry", "reason"),
    [
        (None, False, Reason.KVP_MISSING),
        (None, True, Reason.KVP_MISSING),
        (80, False, Reason.KVP_TOO_LOW),
        (80, True, Reason.KVP_TOO_LOW),
        (100, False, Reason.KVP_NOT_120),
        (140, False, Reason.KVP_NOT_120),
        (100, True, None),
        (120, False, None),
    ],
)
def test_voltage_without_its_own_calibration_withholds_density(
    kvp: float | None, has_entry: bool, reason: Reason | None
) -> None:
    """A calibration at 100 or 140 kV allows density; below 100 kV none does."""
    concern = check_voltage(Scan(ct=volume(kvp=kvp), is_calibrated=has_entry))

    assert (None if concern is None else concern.reason) == reason


def test_each_gate_of_the_folder_is_in_one_list() -> None:
    """A gate outside the lists would not run."""
    listed = (*all_gates.HEADER_GATES, *all_gates.IMAGE_GATES, *all_gates.DENSITY_GATES)
    folder = Path(all_gates.__file__).parent
    defined = [
        statement.name
        for path in folder.glob("*.py")
        if path.name != "all_gates.py"
        for statement in ast.parse(path.read_text("utf-8")).body
        if isinstance(statement, ast.FunctionDef) and statement.name.startswith("check_")
    ]

    assert sorted(getattr(gate, "__name__", "") for gate in listed) == sorted(defined)
