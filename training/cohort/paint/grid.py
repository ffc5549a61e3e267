"""Voxel grid of a simulation: axes in patient coordinates, bounding boxes, interpolation."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from training.cohort.errors import BadCohortConfig

Floats: TypeAlias = NDArray[np.float32]
Bounds: TypeAlias = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
"""Minimum and maximum of x, y and z of a box, LPS mm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Axis-aligned grid of a patient in head-first supine position.

    Parameters
    ----------
    origin_lps_mm
        Centre of the first voxel (x, y, z), the minimum of each.
    spacing_mm
        (x, y, z).
    shape
        (slices, rows, columns), that is z, y, x.
    """

    origin_lps_mm: tuple[float, float, float]
    spacing_mm: tuple[float, float, float]
    shape: tuple[int, int, int]

    def __post_init__(self) -> None:
        if min(self.spacing_mm) <= 0:
            raise BadCohortConfig(f"spacing_mm = {self.spacing_mm}", "three positive numbers")
        if min(self.shape) < 1:
            raise BadCohortConfig(f"shape = {self.shape}", "at least one voxel along each axis")

    def axis(self, name: int) -> NDArray[np.float64]:
        """Voxel centres along x (0), y (1) or z (2)."""
        steps = np.arange(self.shape[2 - name], dtype=np.float64)
        return np.asarray(self.origin_lps_mm[name] + self.spacing_mm[name] * steps, np.float64)

    @property
    def affine_lps(self) -> NDArray[np.float64]:
        """Return the (4, 4) affine from (slice, row, column, 1) to LPS mm."""
        affine = np.eye(4)
        affine[:3, :3] = np.diag(self.spacing_mm)[:, ::-1]
        affine[:3, 3] = self.origin_lps_mm
        return affine

    def box(self, bounds: Bounds) -> tuple[slice, slice, slice]:
        """Index ranges (slices, rows, columns) of the voxels within ``bounds``."""
        ranges = []
        for name, (low, high) in enumerate(bounds):
            first = np.ceil((low - self.origin_lps_mm[name]) / self.spacing_mm[name])
            last = np.floor((high - self.origin_lps_mm[name]) / self.spacing_mm[name])
            size = self.shape[2 - name]
            start = int(np.clip(first, 0, size))
            ranges.append(slice(start, int(np.clip(last + 1, start, size))))
        return ranges[2], ranges[1], ranges[0]


def interpolated(
    values: Floats, axes: tuple[NDArray[np.float64], ...], targets: tuple[NDArray[np.float64], ...]
) -> Floats:
    """Linear interpolation from one set of regular axes to another; constant beyond the ends.

    Parameters
    ----------
    values : (slices, rows, columns)
    axes, targets
        (z, y, x), each ascending and regular.
    """
    # Columns first: indexing is slow along them and the array is still small.
    for number in (2, 1, 0):
        axis, target = axes[number], targets[number]
        if len(axis) == len(target) and axis[0] == target[0] and axis[-1] == target[-1]:
            continue
        if len(axis) == 1:
            values = np.repeat(values, len(target), axis=number)
            continue
        place = np.clip((target - axis[0]) / (axis[1] - axis[0]), 0, len(axis) - 1)
        below = np.minimum(place.astype(np.intp), len(axis) - 2)
        shape = [1, 1, 1]
        shape[number] = -1
        weight = (place - below).astype(np.float32).reshape(shape)
        low = np.take(values, below, axis=number)
        high = np.take(values, below + 1, axis=number)
        high -= low
        high *= weight
        low += high
        values = low
    return values
