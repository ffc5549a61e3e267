"""Resample values from one grid to another by an affine map; no other module does so."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.space.coordinates import Box, CanonicalGrid, Geometry

VOXEL_SIGMA: Final = 0.38
"""Standard deviation of a Gaussian, in voxels, that replaces the box profile of one voxel."""

Beyond = Literal["nearest", "constant", "grid-constant"]
"""What lies beyond the source grid, by the names of SciPy.

``nearest``
    The value of the nearest voxel: for maps that end inside a body, whose border must not fall off.
``constant``
    ``outside`` from half a rounding error beyond the last voxel centre on: for probabilities of a crop.
``grid-constant``
    ``outside`` as a neighbour of the last voxel, so that the step is one voxel wide: for HU. Plain
    ``constant`` loses the last slice where rounding puts it 1e-14 beyond the edge.
"""


SplineOrder = Literal[0, 1, 2, 3, 4, 5]


@dataclass(frozen=True, slots=True, kw_only=True)
class GridBox:
    """A box of a grid.

    Parameters
    ----------
    affine : (4, 4) float64
        Index (slice, row, column, 1) of the grid to LPS mm.
    shape
        Of the box: (slices, rows, columns).
    start
        Index in the grid of the first voxel of the box.
    """

    affine: NDArray[np.float64]
    shape: tuple[int, ...]
    start: tuple[int, ...] = (0, 0, 0)

    @classmethod
    def of(cls, affine: NDArray[np.float64], box: Box) -> "GridBox":
        """The box of a grid between index ranges."""
        return cls(
            affine=affine,
            shape=tuple(part.stop - part.start for part in box),
            start=tuple(part.start for part in box),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoothing:
    """A Gaussian over the source, before it is sampled; values beyond its edge are the nearest.

    Parameters
    ----------
    sigma : (3,)
        Standard deviations in voxels of the source; 0 leaves an axis as it is.
    truncate
        Reach of the filter in standard deviations.
    """

    sigma: NDArray[np.float64]
    truncate: float


def to_coarser(from_mm: NDArray[np.float64], to_mm: float) -> Smoothing:
    """The Gaussian that widens voxels of ``from_mm`` to voxels of ``to_mm``; none to finer voxels."""
    wider = np.sqrt(np.maximum((to_mm / from_mm) ** 2 - 1, 0))
    return Smoothing(sigma=wider * VOXEL_SIGMA, truncate=2.5)


def resample(
    values: NDArray[np.float32],
    source: GridBox,
    target: GridBox,
    *,
    beyond: Beyond,
    outside: float = 0.0,
    order: SplineOrder = 1,
    smoothing: Smoothing | None = None,
) -> NDArray[np.float32]:
    """Values of one grid at the voxels of another.

    Parameters
    ----------
    values : (slices, rows, columns)
        On ``source``.
    beyond, outside
        What lies beyond the source.
    order
        Of the spline: 1 is linear.

    Returns
    -------
    (slices, rows, columns) float32
        On ``target``.
    """
    if smoothing is not None and smoothing.sigma.max() > 0:
        values = ndimage.gaussian_filter(
            values, smoothing.sigma, mode="nearest", truncate=smoothing.truncate
        )
    between = np.linalg.inv(source.affine) @ target.affine
    start = np.asarray(target.start, float)
    return np.asarray(
        ndimage.affine_transform(
            values,
            between[:3, :3],
            between[:3, :3] @ start + between[:3, 3] - np.asarray(source.start, float),
            output_shape=target.shape,
            order=order,
            mode=beyond,
            cval=outside,
            output=np.float32,
        )
    )


def resample_to_canonical(
    values: NDArray[np.float32], geometry: Geometry, grid: CanonicalGrid, *, outside: float
) -> NDArray[np.float32]:
    """Linear resampling onto a canonical grid, smoothed first where the source is finer.

    Parameters
    ----------
    values : (slices, rows, columns)
        On ``geometry``.
    outside
        Value beyond the volume; the step to it is as wide as one source voxel.
    """
    return resample(
        values,
        GridBox(affine=geometry.affine, shape=geometry.shape),
        GridBox(affine=grid.affine, shape=grid.shape),
        beyond="grid-constant",
        outside=outside,
        smoothing=to_coarser(geometry.spacing_mm, grid.spacing_mm),
    )
