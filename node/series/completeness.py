"""Check that a series is a complete volume: one orientation, even spacing, no gap.

Takes  SeriesRecord
Gives  Stack
Next   node.series.selection
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from node.series.index import SeriesRecord
from pipelines.contract.reasons import Reason

MINIMUM_SLICES: Final = 8
"""At 5 mm, eight slices cover 35 mm: about one vertebra."""
ORIENTATION_TOLERANCE: Final = 1e-3
GAP_FACTOR: Final = 1.5
"""A step longer than this many slice distances is a gap."""
UNEVEN: Final = 0.03
"""Largest deviation of an even step, as a share of the slice distance."""
SAME_PLACE_MM: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Slices of a series along their normal.

    Parameters
    ----------
    slice_distance_mm
        Median step from slice to slice; 0 if there is none.
    coverage_mm
        From the first to the last slice.
    flaw
        Why it is no complete volume; ``None`` if it is one.
    """

    slices: int
    slice_distance_mm: float
    coverage_mm: float
    flaw: Reason | None


def stack_of(record: SeriesRecord) -> Stack:
    """Geometry of a series, with its flaw if it has one."""
    count = len(record.positions_lps_mm)
    if count == 0:
        return _flawed(0, Reason.UNREADABLE_GEOMETRY)
    if count < MINIMUM_SLICES:
        return _flawed(count, Reason.TOO_FEW_SLICES)
    orientation = record.orientations[0]
    if not np.allclose(record.orientations, orientation, atol=ORIENTATION_TOLERANCE):
        return _flawed(count, Reason.MIXED_ORIENTATION)
    if (
        len(record.sizes) > 1
        or len(record.frames_of_reference) > 1
        or not np.allclose(record.spacings_mm, record.spacings_mm[0], rtol=1e-3)
    ):
        return _flawed(count, Reason.UNREADABLE_GEOMETRY)
    normal = np.cross(orientation[:3], orientation[3:])
    length = float(np.linalg.norm(normal))
    if length < 0.5:
        return _flawed(count, Reason.UNREADABLE_GEOMETRY)
    heights = np.sort(record.positions_lps_mm @ (normal / length))
    return _judge(heights)


def _judge(heights: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Stack:
    steps = np.diff(heights)
    distance = float(np.median(steps))
    flaw = None
    if steps.min() < SAME_PLACE_MM:
        flaw = Reason.DUPLICATE_POSITION
    elif steps.max() > GAP_FACTOR * distance:
        flaw = Reason.MISSING_SLICES
    elif np.abs(steps - distance).max() > max(UNEVEN * distance, 0.02):
        flaw = Reason.UNREADABLE_GEOMETRY
    return Stack(
        slices=len(heights),
        slice_distance_mm=distance,
        coverage_mm=float(heights[-1] - heights[0]),
        flaw=flaw,
    )


def _flawed(slices: int, flaw: Reason) -> Stack:
    return Stack(slices=slices, slice_distance_mm=0.0, coverage_mm=0.0, flaw=flaw)
