"""Scope of each secondary pipeline: every limit, at both sides."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipelines.contract.findings import ContrastPhase
from pipelines.contract.reasons import Reason
from pipelines.gates.all_gates import Quality, check_header
from pipelines.read.acquisition import AcquisitionHeader
from pipelines.read.volume import CtVolume
from pipelines.secondary import hip, r_score
from pipelines.secondary.chest import report as chest
from pipelines.secondary.dxa_equivalent import report as dxa
from pipelines.secondary.scope import Scope, out_of_scope
from pipelines.space.coordinates import Geometry

IN_SCOPE = AcquisitionHeader(
    kvp=120,
    convolution_kernel="STANDARD",
    slice_thickness_mm=1.25,
    contrast_agent=None,
    patient_age_years=63,
    patient_sex="F",
    patient_position="HFS",
    manufacturer=None,
    model_name=None,
)
SCOPES = {
    "hip": hip.SCOPE,
    "r_score": r_score.SCOPE,
    "chest": chest.SCOPE,
    "dxa_scan": dxa.SCAN_SCOPE,
    "dxa_class": dxa.CLASS_SCOPE,
}
TEXTURE = Reason.SLICES_TOO_THICK_FOR_TEXTURE
ALL = tuple(SCOPES)


def scan(
    *,
    distance_mm: float = 1.25,
    pixel_mm: float = 0.8,
    tilt_mm: float = 0.0,
    phase: ContrastPhase = ContrastPhase.NONE,
    **header: Any,
) -> tuple[CtVolume, Quality]:
    """A scan in every scope but for what is named, judged by the gates."""
    affine = np.diag([distance_mm, pixel_mm, pixel_mm, 1.0])
    affine[1, 0] = tilt_mm
    ct = CtVolume(
        hu=np.zeros((4, 4, 4), np.float32),
        geometry=Geometry(affine=affine, shape=(4, 4, 4), frame_of_reference_uid="1.2"),
        frames=(),
        header=replace(IN_SCOPE, **header),
    )
    return ct, replace(check_header(ct), phase=phase)


def limits(  # a row for each pipeline that is named
    pipelines: tuple[str, ...], changes: dict[str, Any], *reasons: Reason
) -> list[Any]:
    label = " ".join(f"{name}={value}" for name, value in changes.items()) or "in scope"
    return [pytest.param(SCOPES[one], changes, reasons, id=f"{one}: {label}") for one in pipelines]


@pytest.mark.parametrize(
    ("scope", "changes", "reasons"),
    [
        *limits(ALL, {}),
        # slice thickness
        *limits(("hip", "r_score"), {"slice_thickness_mm": 2.04}),
        *limits(("hip", "r_score"), {"slice_thickness_mm": 2.06}, TEXTURE),
        *limits(("hip", "r_score"), {"slice_thickness_mm": None, "distance_mm": 2.04}),
        *limits(("hip", "r_score"), {"slice_thickness_mm": None, "distance_mm": 2.06}, TEXTURE),
        *limits(("hip", "r_score"), {"distance_mm": 2.04}),
        *limits(("hip", "r_score"), {"distance_mm": 2.06}, TEXTURE),
        *limits(("chest",), {"slice_thickness_mm": 3.04}),
        *limits(("chest",), {"slice_thickness_mm": 3.06}, Reason.TOO_COARSE),
        *limits(("chest",), {"distance_mm": 3.04}),
        *limits(("chest",), {"distance_mm": 3.06}, Reason.TOO_COARSE),
        *limits(("dxa_scan",), {"slice_thickness_mm": 5.04}),
        *limits(("dxa_scan",), {"slice_thickness_mm": 5.06}, Reason.SLICE_TOO_THICK),
        *limits(("dxa_scan",), {"distance_mm": 5.04}),
        *limits(("dxa_scan",), {"distance_mm": 5.06}, Reason.SLICE_TOO_THICK),
        *limits(("dxa_class",), {"distance_mm": 9.0}),
        # pixels
        *limits(("hip",), {"pixel_mm": 2.04}),
        *limits(("hip",), {"pixel_mm": 2.06}, TEXTURE),
        *limits(("chest",), {"pixel_mm": 0.5}),
        *limits(("chest",), {"pixel_mm": 0.49}, Reason.OUTSIDE_TRAINING),
        *limits(("chest",), {"pixel_mm": 1.0}),
        *limits(("chest",), {"pixel_mm": 1.01}, Reason.OUTSIDE_TRAINING),
        *limits(("r_score", "dxa_scan", "dxa_class"), {"pixel_mm": 3.0}),
        # kernel
        *limits(ALL, {"convolution_kernel": "B54s"}),
        *limits(
            ("hip", "r_score", "chest", "dxa_scan"),
            {"convolution_kernel": "B55s"},
            Reason.SHARP_KERNEL,
        ),
        *limits(("dxa_class",), {"convolution_kernel": "B55s"}),
        *limits(("hip", "chest", "dxa_scan", "dxa_class"), {"convolution_kernel": None}),
        *limits(("r_score",), {"convolution_kernel": None}, Reason.KERNEL_UNKNOWN),
        # tilt: 1.25 mm along, 0.02 mm aside is 0.9 degrees; 0.03 mm is 1.4 degrees
        *limits(ALL, {"tilt_mm": 0.02}),
        *limits(("hip", "r_score", "chest"), {"tilt_mm": 0.03}, Reason.GANTRY_TILT),
        *limits(("dxa_scan", "dxa_class"), {"tilt_mm": 0.03}),
        # tube voltage
        *limits(("hip", "r_score", "chest", "dxa_scan"), {"kvp": 120.5}),
        *limits(("hip", "r_score", "chest", "dxa_scan"), {"kvp": 120.6}, Reason.KVP_NOT_120),
        *limits(("hip", "r_score", "chest", "dxa_scan"), {"kvp": 119.4}, Reason.KVP_NOT_120),
        *limits(("hip", "r_score", "chest", "dxa_scan"), {"kvp": None}, Reason.KVP_MISSING),
        *limits(("dxa_class",), {"kvp": 100}),
        *limits(("dxa_class",), {"kvp": None}),
        # contrast phase
        *limits(("r_score",), {"phase": ContrastPhase.UNKNOWN}, Reason.CONTRAST_POSSIBLE),
        *limits(("hip", "chest", "dxa_scan", "dxa_class"), {"phase": ContrastPhase.UNKNOWN}),
        *limits(("r_score", "chest"), {"phase": ContrastPhase.ARTERIAL}, Reason.CONTRAST_ARTERIAL),
        *limits(
            ("r_score", "chest"),
            {"phase": ContrastPhase.PORTAL_VENOUS},
            Reason.CONTRAST_PORTAL_VENOUS,
        ),
        *limits(("r_score", "chest"), {"phase": ContrastPhase.DELAYED}, Reason.CONTRAST_DELAYED),
        *limits(("hip", "dxa_scan", "dxa_class"), {"phase": ContrastPhase.ARTERIAL}),
        # age
        *limits(ALL, {"patient_age_years": 50.0}),
        *limits(
            ("hip", "chest", "dxa_class"), {"patient_age_years": 49.9}, Reason.NOT_IN_SCOPE
        ),
        *limits(("r_score",), {"patient_age_years": 49.9}, Reason.R_SCORE_NOT_IN_SCOPE),
        *limits(ALL, {"patient_age_years": 90.0}),
        *limits(("hip", "chest", "dxa_class"), {"patient_age_years": 99.0}),
        *limits(("r_score",), {"patient_age_years": 90.1}, Reason.R_SCORE_NOT_IN_SCOPE),
        *limits(
            ("hip", "r_score", "chest", "dxa_class"),
            {"patient_age_years": None},
            Reason.AGE_OR_SEX_UNKNOWN,
        ),
        *limits(("dxa_scan",), {"patient_age_years": None}),
        # sex
        *limits(("hip", "chest", "dxa_scan", "dxa_class"), {"patient_sex": "M"}),
        *limits(("r_score",), {"patient_sex": "M"}, Reason.R_SCORE_NOT_IN_SCOPE),
        *limits(("hip", "dxa_scan"), {"patient_sex": None}),
        *limits(
            ("r_score", "chest", "dxa_class"), {"patient_sex": None}, Reason.AGE_OR_SEX_UNKNOWN
        ),
        *limits(
            ("r_score", "chest", "dxa_class"), {"patient_sex": "O"}, Reason.AGE_OR_SEX_UNKNOWN
        ),
        # several: a withheld value carries the first
        *limits(
            ("hip", "chest"),
            {"kvp": 100, "convolution_kernel": "BONE", "patient_age_years": 40},
            Reason.SHARP_KERNEL,
            Reason.KVP_NOT_120,
            Reason.NOT_IN_SCOPE,
        ),
        *limits(
            ("r_score",),
            {"kvp": 100, "convolution_kernel": "BONE", "patient_age_years": 40, "distance_mm": 3.0},
            Reason.R_SCORE_NOT_IN_SCOPE,
            Reason.KVP_NOT_120,
            Reason.SHARP_KERNEL,
            TEXTURE,
        ),
    ],
)  # fmt: skip
def test_each_limit_at_both_sides(
    scope: Scope, changes: dict[str, Any], reasons: tuple[Reason, ...]
) -> None:
    """One value changes; the scope returns the reasons of exactly the limits that it exceeds."""
    assert out_of_scope(scope, *scan(**changes)) == reasons


def test_a_scope_without_limits_admits_every_scan() -> None:
    """Each default of the dataclass sets no limit."""
    strange = scan(
        distance_mm=9.0,
        pixel_mm=4.0,
        tilt_mm=3.0,
        phase=ContrastPhase.ARTERIAL,
        kvp=None,
        convolution_kernel=None,
        patient_age_years=None,
        patient_sex=None,
    )

    assert out_of_scope(Scope(), *strange) == ()
