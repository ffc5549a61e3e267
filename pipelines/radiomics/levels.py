"""Grey levels of a region, and the lattice of its voxels that all texture matrices use."""

from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

EPSILON: Final = float(np.spacing(1.0))
"""Added inside logarithms, as in pyradiomics."""
MOST_LEVELS: Final = 1000
"""More than the whole range of CT numbers in bins of 25 HU, metal included."""
Offset = tuple[int, int, int]
OFFSETS: Final[tuple[Offset, ...]] = tuple(
    (z, y, x) for z, y, x in product((-1, 0, 1), repeat=3) if (z, y, x) > (0, 0, 0)
)
"""The 13 directions to neighbours at Chebyshev distance 1; the other 13 are opposite to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The voxels of a region in the order of the lines along one direction.

    Parameters
    ----------
    order : (voxels,) int
        Flat indices into the padded lattice.
    ends : (voxels - 1,) bool
        Whether the next voxel of ``order`` is not the next one along the line.
    """

    order: NDArray[np.intp]
    ends: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """Voxels of a region and their neighbours: prepared once, used for every image of the region.

    Parameters
    ----------
    shape
        Of the region's box with one empty voxel around it.
    voxels : (voxels,) int
        Flat indices into that box.
    steps
        Distance in flat indices along each of `OFFSETS`.
    pairs
        Per offset: voxels whose neighbour in that direction belongs to the region.
    lines
        Per offset; only directions in which some line holds two voxels or more.
    neighbours : (voxels,) int
        How many of the 26 neighbours belong to the region.
    """

    shape: tuple[int, int, int]
    voxels: NDArray[np.intp]
    steps: tuple[int, ...]
    pairs: tuple[NDArray[np.intp], ...]
    lines: tuple[Line, ...]
    neighbours: NDArray[np.int64]


def lattice(mask: NDArray[np.bool_]) -> Lattice:
    """Lattice of a region.

    Parameters
    ----------
    mask : (slices, rows, columns)
        The region in its box.
    """
    padded = np.pad(mask, 1)
    inside = padded.ravel()
    voxels = np.flatnonzero(inside)
    places = np.argwhere(padded)
    strides = np.array([padded.shape[1] * padded.shape[2], padded.shape[2], 1])
    steps = tuple(int(np.dot(offset, strides)) for offset in OFFSETS)
    count = box_sum(padded.astype(np.uint16)).ravel().take(voxels) - 1
    lines = [_line(voxels, places, o, s) for o, s in zip(OFFSETS, steps, strict=True)]
    return Lattice(
        shape=(padded.shape[0], padded.shape[1], padded.shape[2]),
        voxels=voxels,
        steps=steps,
        pairs=tuple(voxels[inside.take(voxels + step)] for step in steps),
        lines=tuple(line for line in lines if line is not None),
        neighbours=count.astype(np.int64),
    )


def _line(
    voxels: NDArray[np.intp], places: NDArray[np.intp], offset: Offset, step: int
) -> Line | None:
    """Voxels sorted by line and by place along it; ``None`` if every line holds one voxel."""
    axis = next(k for k in range(3) if offset[k] != 0)
    line = voxels - places[:, axis] * (offset[axis] * step)
    # Voxels ascend, and so does the place along a line: the sort by line keeps that order.
    by_line = np.argsort(line, kind="stable")
    if (np.diff(line[by_line]) != 0).all():
        return None
    order = voxels[by_line]
    return Line(order=order, ends=np.diff(order) != step)


def box_sum(values: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Sum over the 3 x 3 x 3 neighbourhood, nothing beyond the border."""
    for axis in range(3):
        total = values.copy()
        upper: list[slice] = [slice(None)] * 3
        lower: list[slice] = [slice(None)] * 3
        upper[axis], lower[axis] = slice(1, None), slice(None, -1)
        total[tuple(upper)] += values[tuple(lower)]
        total[tuple(lower)] += values[tuple(upper)]
        values = total
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """A region in grey levels.

    Parameters
    ----------
    values : (levels,) float64
        Grey levels that occur, ascending, counted from 1; there may be gaps.
    counts : (levels,) int
        Voxels of each.
    ranks : (padded voxels,) uint16
        Flat lattice: place of each voxel's level in ``values`` counted from 1; 0 outside.
    """

    values: NDArray[np.float64]
    counts: NDArray[np.int64]
    ranks: NDArray[np.uint16]

    @property
    def highest(self) -> float:
        """Largest grey level, gaps counted."""
        return float(self.values[-1])


def discretise(
    intensities: NDArray[np.floating], where: Lattice, bin_width: float
) -> Levels | None:
    """Grey levels of fixed width; ``None`` where there are more than a matrix can hold.

    Parameters
    ----------
    intensities : (voxels,)
        In the order of ``where.voxels``.

    Source
    ------
    pyradiomics, ``imageoperations.getBinEdges`` (edges are multiples of the width, in the
    precision of the image) and ``binImage``.
    """
    lowest, highest = intensities.min(), intensities.max()
    if (highest - lowest) / bin_width > MOST_LEVELS:
        return None
    edges = np.arange(lowest - lowest % bin_width, highest + 2 * bin_width, bin_width)
    level = ((intensities.astype(np.float64) - edges[0]) / bin_width).astype(np.intp) + 1
    # As numpy.digitize has it, where the division or the edges themselves were rounded.
    level += intensities >= edges.take(level)
    level -= intensities < edges.take(level - 1)
    every = np.bincount(level)
    values = np.flatnonzero(every)
    rank_of = np.zeros(len(every), np.uint16)
    rank_of[values] = np.arange(1, len(values) + 1)
    ranks = np.zeros(int(np.prod(where.shape)), np.uint16)
    ranks[where.voxels] = rank_of.take(level)
    return Levels(values=values.astype(np.float64), counts=every[values], ranks=ranks)
