"""Effective slice thickness of a CT: one rule for node and pipelines.

Takes  Slice Thickness (0018,0050), distance of the slices
Gives  float, bool
Next   node.series.selection, pipelines.read.volume

A slice averages tissue over its thickness. Between slices that lie farther apart than they are
thick, tissue is not scanned at all. The larger of both lengths therefore limits what the stack can
show along the body. Overlapping slices do not make a stack finer than their thickness.
"""

from typing import Final

THICKEST_MM: Final = 5.0
"""Thicker slices are not measured: the endplates reach into every slice of a vertebral body."""
ROUNDING_MM: Final = 0.05
"""Headers round thickness and positions; a limit of 5 mm also admits slices of 5.05 mm."""


def coarsest_mm(distance_mm: float, thickness_mm: float | None) -> float:
    """Return the larger of slice distance and slice thickness, mm.

    Parameters
    ----------
    distance_mm
        Distance of neighbouring slices.
    thickness_mm
        Slice Thickness (0018,0050); ``None`` if the header has none; the distance then applies.
    """
    return max(distance_mm, thickness_mm or 0.0)


def is_thicker(slice_mm: float, limit_mm: float) -> bool:
    """Whether slices exceed a limit by more than the rounding in headers."""
    return slice_mm > limit_mm + ROUNDING_MM
