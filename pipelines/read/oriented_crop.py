"""Resample boxes of a CT in any orientation at 1 mm, and map values back to its grid.

Takes  CtVolume, OrientedGrid
Gives  HU for a fine network; its probabilities on the voxels of the CT
Next   pipelines.outline.vertebrae_1mm, pipelines.outline.proximal_femur
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.read.volume import AIR_HU, CtVolume
from pipelines.space.coordinates import Box, Geometry, to_index, to_lps
from pipelines.space.resample import GridBox, resample, to_coarser


@dataclass(frozen=True, slots=True, kw_only=True)
class OrientedGrid:
    """Isotropic grid with axes in any direction.

    Parameters
    ----------
    centre_lps_mm : (3,)
        Middle of the grid.
    axes : (3, 3)
        Unit vectors in LPS along slices, rows and columns, one per row.
    shape
        (slices, rows, columns).
    """

    centre_lps_mm: NDArray[np.float64]
    axes: NDArray[np.float64]
    shape: tuple[int, int, int]
    spacing_mm: float

    @property
    def affine(self) -> NDArray[np.float64]:
        """(4, 4), index (slice, row, column, 1) to LPS mm."""
        affine = np.eye(4)
        affine[:3, :3] = self.axes.T * self.spacing_mm
        middle = (np.asarray(self.shape, float) - 1) / 2
        affine[:3, 3] = self.centre_lps_mm - affine[:3, :3] @ middle
        return affine


def box_of(geometry: Geometry, grid: OrientedGrid) -> Box:
    """Index ranges of the CT that hold an oriented grid, clipped to the CT."""
    ends = [(0.0, size - 1.0) for size in grid.shape]
    corners = np.array([[ends[k][(n >> k) & 1] for k in range(3)] for n in range(8)])
    index = to_index(geometry.affine, to_lps(grid.affine, corners))
    start = np.clip(np.floor(index.min(axis=0)) - 1, 0, geometry.shape).astype(int)
    stop = np.clip(np.ceil(index.max(axis=0)) + 2, 0, geometry.shape).astype(int)
    ranges = [slice(int(a), int(max(a, b))) for a, b in zip(start, stop, strict=True)]
    return ranges[0], ranges[1], ranges[2]


def crop(ct: CtVolume, grid: OrientedGrid) -> NDArray[np.float32]:
    """HU on an oriented grid, air beyond the CT; smoothed first where the CT is finer."""
    box = box_of(ct.geometry, grid)
    part = ct.hu[box]
    if part.size == 0:
        return np.full(grid.shape, AIR_HU, np.float32)
    return resample(
        part,
        GridBox.of(ct.geometry.affine, box),
        GridBox(affine=grid.affine, shape=grid.shape),
        beyond="grid-constant",
        outside=AIR_HU,
        smoothing=to_coarser(ct.geometry.spacing_mm, grid.spacing_mm),
    )


def on_ct(
    values: NDArray[np.float32], grid: OrientedGrid, geometry: Geometry, box: Box
) -> NDArray[np.float32]:
    """Values of an oriented grid at the voxels of a box of the CT; 0 beyond the grid."""
    return resample(
        values,
        GridBox(affine=grid.affine, shape=grid.shape),
        GridBox.of(geometry.affine, box),
        beyond="constant",
    )
