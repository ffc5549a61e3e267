"""Painting of shapes into a volume with partial volume at every border.

A shape is a signed distance in mm (negative inside) over patient coordinates. The share of a
voxel that a shape covers follows from the distance at its centre, so that layers thinner than a
voxel (cortical shell, endplate, skin) weigh what they should.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from training.cohort.grid import Bounds, Floats, Grid, interpolated

Distance: TypeAlias = Callable[[Floats, Floats, Floats], Floats]
"""From broadcastable x, y, z (LPS mm) to signed distance (mm)."""

SLAB_SLICES = 24
MARGIN_MM = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A solid body.

    Parameters
    ----------
    distance
        Signed distance, mm.
    bounds
        A box that holds the body.
    step_mm
        Evaluate at this spacing and interpolate; ``None`` evaluates at every voxel.
    """

    distance: Distance
    bounds: Bounds
    step_mm: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A part of the volume that is being painted.

    Parameters
    ----------
    where
        Index ranges in the volume.
    x, y, z
        Patient coordinates, broadcastable to the patch.
    distance : the shape of the patch, mm
    """

    where: tuple[slice, slice, slice]
    x: Floats
    y: Floats
    z: Floats
    distance: Floats


Medium: TypeAlias = float | Callable[[Patch], Floats]
"""HU of what is painted: one number, or a field over the patch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """The volume under the brush.

    Parameters
    ----------
    hu : (slices, rows, columns) float32
    labels : (slices, rows, columns) uint8
    """

    grid: Grid
    hu: Floats
    labels: NDArray[np.uint8]

    @classmethod
    def of_air(cls, grid: Grid) -> "Volume":
        """Nothing but air."""
        return cls(
            grid=grid,
            hu=np.full(grid.shape, -1000, np.float32),
            labels=np.zeros(grid.shape, np.uint8),
        )

    @property
    def voxel_mm(self) -> float:
        """Width over which a border is spread."""
        return float(np.prod(self.grid.spacing_mm) ** (1 / 3))

    def patches(self, shape: Shape) -> Iterator[Patch]:
        """Cut the box of a shape into slabs, so that memory stays low."""
        margin = MARGIN_MM
        bounds = tuple((low - margin, high + margin) for low, high in shape.bounds)
        slices, rows, columns = self.grid.box(bounds)  # type: ignore[arg-type]
        if slices.stop <= slices.start or rows.stop <= rows.start or columns.stop <= columns.start:
            return
        for start in range(slices.start, slices.stop, SLAB_SLICES):
            where = slice(start, min(start + SLAB_SLICES, slices.stop)), rows, columns
            axes = tuple(self.grid.axis(2 - k)[part] for k, part in enumerate(where))
            z, y, x = broadcastable(*axes)
            yield Patch(where=where, x=x, y=y, z=z, distance=sampled(shape, axes))

    def paint(self, shape: Shape, medium: Medium, label: int | None = None) -> None:
        """Fill a shape."""
        for patch in self.patches(shape):
            share = coverage(patch.distance, self.voxel_mm)
            hu = self.hu[patch.where]
            hu += share * ((medium(patch) if callable(medium) else np.float32(medium)) - hu)
            if label is not None:
                self.labels[patch.where][share > 0.5] = label

    def paint_shell(
        self,
        shape: Shape,
        *,
        depth: Medium,
        shell: Medium,
        core: Medium,
        label: int | None = None,
    ) -> None:
        """Fill a shape with a shell of ``depth`` mm around a core."""
        for patch in self.patches(shape):
            outer = coverage(patch.distance, self.voxel_mm)
            inner = coverage(patch.distance + _value(depth, patch), self.voxel_mm)
            hu = self.hu[patch.where]
            hu *= 1 - outer
            hu += (outer - inner) * _value(shell, patch) + inner * _value(core, patch)
            if label is not None:
                self.labels[patch.where][outer > 0.5] = label


def coverage(distance: Floats, width_mm: float) -> Floats:
    """Share of a voxel inside a flat border at this distance from its centre."""
    return np.asarray(np.clip(np.float32(0.5) - distance / np.float32(width_mm), 0, 1))


def broadcastable(
    z: NDArray[np.float64], y: NDArray[np.float64], x: NDArray[np.float64]
) -> tuple[Floats, Floats, Floats]:
    """Axes as arrays that broadcast to (slices, rows, columns)."""
    return (
        z.astype(np.float32)[:, None, None],
        y.astype(np.float32)[None, :, None],
        x.astype(np.float32)[None, None, :],
    )


def sampled(shape: Shape, axes: tuple[NDArray[np.float64], ...]) -> Floats:
    """Signed distance on (z, y, x) axes, by way of a coarser lattice where the shape allows it."""
    if shape.step_mm is None:
        return _evaluated(shape.distance, axes)
    coarse = tuple(_lattice(axis, shape.step_mm) for axis in axes)
    return interpolated(_evaluated(shape.distance, coarse), coarse, axes)


def _lattice(axis: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Multiples of the step that enclose an axis: the same lattice for every slab and grid."""
    first, last = np.floor(axis[0] / step), np.ceil(axis[-1] / step)
    return np.arange(first, max(last, first + 1) + 1) * step


def _evaluated(distance: Distance, axes: tuple[NDArray[np.float64], ...]) -> Floats:
    z, y, x = broadcastable(*axes)
    values = distance(x, y, z)
    return np.ascontiguousarray(
        np.broadcast_to(values, tuple(len(axis) for axis in axes)), dtype=np.float32
    )


def _value(medium: Medium, patch: Patch) -> Floats | np.float32:
    return medium(patch) if callable(medium) else np.float32(medium)
