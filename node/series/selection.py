"""Choose the one series of a study that is measured, with a coded reason for every other.

Takes  SeriesRecord, Stack
Gives  Selection
Next   node.jobs.dispatch
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from node.series.completeness import Stack, stack_of
from node.series.index import SeriesRecord
from pipelines.reasons import Reason

THICKEST_MM: Final = 5.0
ROUNDING_MM: Final = 0.05
AXIAL_COSINE: Final = 0.9
"""Of the angle between slice normal and body axis: 26 degrees of gantry tilt at most."""
SPINE_COVERAGE_MM: Final = 180.0
"""T12 to L5; more coverage earns nothing."""

DERIVED_WORDS: Final = (
    "DERIVED",
    "SECONDARY",
    "MPR",
    "MIP",
    "MINIP",
    "PROJECTION IMAGE",
    "CSA MPR",
    "VNC",
    "VIRTUAL",
    "MONO",
    "MONOENERGETIC",
    "IODINE",
    "MATERIAL",
    "Z_EFF",
    "SUBTRACTION",
    "REFORMATTED",
)
"""Image Type values whose numbers are not plain attenuation of the original slices."""
DERIVED_DESCRIPTIONS: Final = ("vnc", "monoe", "mono+", " kev", "iodine", "virtual", "mip", "mar ")

SOFT_KERNEL_WORDS: Final = ("standard", "soft", "smooth", "body", "abd")
SHARP_KERNEL_WORDS: Final = ("bone", "lung", "detail", "edge", "sharp", "ultra")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loser:
    """A series that is not measured, and why."""

    series_instance_uid: str
    description: str
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The series that is measured.

    Parameters
    ----------
    score
        Out of 100; for the log.
    """

    record: SeriesRecord
    stack: Stack
    score: float


def select_series(records: Sequence[SeriesRecord]) -> tuple[Selection | None, tuple[Loser, ...]]:
    """Score every series of a study.

    Returns
    -------
    Selection | None
        The best eligible series; ties go to the lowest Series Instance UID.
    losers
        Every other series with its reason.
    """
    candidates, losers = [], []
    for record in sorted(records, key=lambda one: one.series_instance_uid):
        stack = stack_of(record)
        reason = ineligible(record, stack)
        if reason is None:
            candidates.append(Selection(record=record, stack=stack, score=score(record, stack)))
        else:
            losers.append(_loser(record, reason))
    if not candidates:
        return None, tuple(losers)
    best = max(candidates, key=lambda one: one.score)
    losers += [
        _loser(one.record, Reason.BETTER_SERIES_CHOSEN) for one in candidates if one is not best
    ]
    return best, tuple(losers)


def _loser(record: SeriesRecord, reason: Reason) -> Loser:
    return Loser(
        series_instance_uid=record.series_instance_uid,
        description=record.description,
        reason=reason,
    )


def ineligible(record: SeriesRecord, stack: Stack) -> Reason | None:
    """Why a series can never be measured; ``None`` if it can.

    Source
    ------
    Rules for flagging and withholding of the domain report: no localizers, derived images,
    values other than Hounsfield units, slices over 5 mm, gaps.
    """
    words = {word.upper() for word in record.image_type}
    if record.modality not in {"CT", ""}:
        return Reason.NOT_CT
    if "LOCALIZER" in words:
        return Reason.LOCALIZER
    if _is_derived(record, words):
        return Reason.DERIVED_IMAGE
    if record.rescale_type not in {"", "HU"}:
        return Reason.NOT_HOUNSFIELD
    # A scout also has few slices, so the kind of image is judged before its geometry.
    if stack.flaw is not None:
        return stack.flaw
    if not is_axial(record):
        return Reason.NOT_AXIAL
    if _thickness_mm(record, stack) > THICKEST_MM + ROUNDING_MM:
        return Reason.SLICE_TOO_THICK
    return None


def _is_derived(record: SeriesRecord, words: set[str]) -> bool:
    if words & set(DERIVED_WORDS):
        return True
    description = f"{record.description.lower()} "
    return any(word in description for word in DERIVED_DESCRIPTIONS)


def is_axial(record: SeriesRecord) -> bool:
    """Whether the slices lie across the body, up to a tilted gantry."""
    orientation = record.orientations[0]
    normal = np.cross(orientation[:3], orientation[3:])
    return bool(abs(normal[2]) >= AXIAL_COSINE)


def _thickness_mm(record: SeriesRecord, stack: Stack) -> float:
    return max(record.slice_thickness_mm or 0.0, stack.slice_distance_mm)


def score(record: SeriesRecord, stack: Stack) -> float:
    """How well a series suits the measurement, 0 to 100.

    Coverage first (a series that misses the lumbar spine is worth nothing), then unenhanced
    before contrast, standard before sharp kernels, thin before thick slices, 120 kV.
    """
    thickness = _thickness_mm(record, stack)
    return round(
        40 * min(stack.coverage_mm / SPINE_COVERAGE_MM, 1.0)
        + 20 * kernel_suitability(record.kernel)
        + 15 * (1.0 if not record.contrast_agent else 0.0)
        + 15 * float(np.clip((THICKEST_MM - thickness) / (THICKEST_MM - 1.0), 0, 1))
        + 10 * (1.0 if record.kvp is not None and abs(record.kvp - 120) < 1 else 0.0),
        3,
    )


def kernel_suitability(kernel: str) -> float:
    """1 for a soft or standard kernel, 0 for a sharp one, between for an unknown name."""
    name = kernel.lower()
    if any(word in name for word in SHARP_KERNEL_WORDS):
        return 0.0
    if any(word in name for word in SOFT_KERNEL_WORDS):
        return 1.0
    number = _vendor_number(name)
    if number is not None:  # Siemens B10..B80, Br36..Br69: the higher, the sharper
        return float(np.clip((60 - number) / 20, 0, 1))
    return 0.6


def _vendor_number(name: str) -> int | None:
    digits = "".join(c for c in name.split("\\")[0] if c.isdigit())[:2]
    return int(digits) if len(digits) == 2 and name[:1] in "bhiq" else None
