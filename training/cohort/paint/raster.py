"""Paint shapes into a volume with partial volume at every border.

A shape is a signed distance in mm (negative inside) over patient coordinates. The share of a
voxel that a shape covers follows from the distance at its centre. Layers thinner than a voxel
(cortical shell, end plate, skin) thus have their correct weight.

Only the part of the grid that a shape touches is evaluated. The time therefore depends on the size
of the grid, not of the patient.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from training.cohort.paint.grid import Bounds, Floats, Grid, interpolated

Distance: TypeAlias = Callable[[Floats, Floats, Floats], Floats]
"""Function from broadcastable x, y, z (LPS mm) to signed distance (mm)."""

Axes: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""Coordinates along z, y and x, LPS mm, each ascending and regular."""

Box: TypeAlias = tuple[slice, slice, slice]
"""Index ranges: slices, rows, columns."""

Bits: TypeAlias = NDArray[np.bool_]

SLAB_SLICES = 24
MARGIN_MM = 3.0


class Part(IntEnum):
    """Part of a labelled bone that a voxel lies in."""

    NONE = 0
    CORE = 1
    """Trabecular bone; in a vertebra only of the body."""
    SHELL = 2
    """Cortex and end plates; in a vertebra only of the body."""
    POSTERIOR = 3
    """Pedicles, arch and processes of a vertebra."""
    OSTEOPHYTE = 4
    """Osteophytes and bridges on a body; the label is that of the vertebra."""
    LIGAMENT = 5
    """Calcified ligament in the canal; no label."""
    PLAQUE = 6
    """Calcium on the wall of the aorta; no label."""
    CEMENT = 7
    """Bone cement; the label is that of the bone."""
    METAL = 8
    """Screw, rod or prosthesis; the label is that of the bone, none outside bone."""
    SHAFT = 9
    """Femur below the lesser trochanter: not part of the proximal femur (study 3)."""


BODY_PARTS: Final = (Part.CORE, Part.SHELL, Part.CEMENT)
"""Parts that make up a vertebral body, a proximal femur, or any other whole bone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A solid body.

    Parameters
    ----------
    distance
        Signed distance, mm.
    bounds
        A box that contains the body.
    step_mm
        Spacing at which to evaluate and interpolate if the grid is finer; ``None`` evaluates at
        every voxel.
    """

    distance: Distance
    bounds: Bounds
    step_mm: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """Part of the volume to paint.

    Parameters
    ----------
    where
        Index ranges in the volume.
    x, y, z
        Patient coordinates, broadcastable to the patch.
    distance : the shape of the patch, mm
    """

    where: Box
    x: Floats
    y: Floats
    z: Floats
    distance: Floats


Medium: TypeAlias = float | Callable[[Patch], Floats]
"""HU of the painted shape: one number, or a function of the patch."""

Parting: TypeAlias = Callable[[Patch, Bits], NDArray[np.uint8]]
"""Function from a patch and the mask inside the shell to the ``Part`` of each voxel."""


def core_and_shell(patch: Patch, core: Bits) -> NDArray[np.uint8]:
    """Divide a bone without posterior elements into core and shell."""
    return np.where(core, np.uint8(Part.CORE), np.uint8(Part.SHELL))


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """HU, labels and parts of a patient, on which shapes are painted.

    Parameters
    ----------
    hu : (slices, rows, columns) float32
    labels : (slices, rows, columns) uint8
    parts : (slices, rows, columns) uint8
        ``Part`` of the labelled bone.
    threads
        Threads that paint slabs in parallel; they do not change the result.
    """

    grid: Grid
    hu: Floats
    labels: NDArray[np.uint8]
    parts: NDArray[np.uint8]
    threads: ThreadPoolExecutor | None = None

    @classmethod
    def of_air(cls, grid: Grid, *, threads: ThreadPoolExecutor | None = None) -> "Volume":
        """Return a volume of air."""
        return cls(
            grid=grid,
            hu=np.full(grid.shape, -1000, np.float32),
            labels=np.zeros(grid.shape, np.uint8),
            parts=np.zeros(grid.shape, np.uint8),
            threads=threads,
        )

    @property
    def voxel_mm(self) -> float:
        """Width of the partial volume at a border."""
        return float(np.prod(self.grid.spacing_mm) ** (1 / 3))

    def paint(
        self,
        shape: Shape,
        medium: Medium,
        label: int | None = None,
        part: Part | None = None,
    ) -> None:
        """Fill a shape; a label without a part becomes a core."""
        if label is not None and part is None:
            part = Part.CORE

        def fill(patch: Patch) -> None:
            share = coverage(patch.distance, self.voxel_mm)
            hu = self.hu[patch.where]
            hu += share * (_value(medium, patch) - hu)
            if part is None:
                return
            inside = share > 0.5
            self.parts[patch.where][inside] = part
            if label is not None:
                self.labels[patch.where][inside] = label

        self._each_patch(shape, fill)

    def paint_shell(
        self,
        shape: Shape,
        *,
        depth: Medium,
        shell: Medium,
        core: Medium,
        label: int | None = None,
        parting: Parting = core_and_shell,
    ) -> None:
        """Fill a shape with a shell of ``depth`` mm around a core."""

        def fill(patch: Patch) -> None:
            outer = coverage(patch.distance, self.voxel_mm)
            inner = coverage(patch.distance + _value(depth, patch), self.voxel_mm)
            hu = self.hu[patch.where]
            hu *= 1 - outer
            hu += (outer - inner) * _value(shell, patch)
            hu += inner * _value(core, patch)
            if label is not None:
                inside = outer > 0.5
                self.labels[patch.where][inside] = label
                self.parts[patch.where][inside] = parting(patch, inner > 0.5)[inside]

        self._each_patch(shape, fill)

    def patches(self, shape: Shape) -> Iterator[Patch]:
        """Yield the voxels that a shape touches in slabs, to limit memory."""
        for box in self._boxes(shape.bounds):
            patch = self._patch(shape, box)
            if patch is not None:
                yield patch

    def _each_patch(self, shape: Shape, fill: Callable[[Patch], None]) -> None:
        """Fill slab by slab in any order; slabs have no common voxel."""

        def work(box: Box) -> None:
            patch = self._patch(shape, box)
            if patch is not None:
                fill(patch)

        boxes = self._boxes(shape.bounds)
        for _ in map(work, boxes) if self.threads is None else self.threads.map(work, boxes):
            pass

    def _boxes(self, bounds: Bounds) -> list[Box]:
        wide = tuple((low - MARGIN_MM, high + MARGIN_MM) for low, high in bounds)
        slices, rows, columns = self.grid.box((wide[0], wide[1], wide[2]))
        if rows.stop == rows.start or columns.stop == columns.start:
            return []
        return [
            (slice(start, min(start + SLAB_SLICES, slices.stop)), rows, columns)
            for start in range(slices.start, slices.stop, SLAB_SLICES)
        ]

    def _patch(self, shape: Shape, box: Box) -> Patch | None:
        """Evaluate a shape on the voxels of a box; ``None`` if it touches none."""
        axes = (self.grid.axis(2)[box[0]], self.grid.axis(1)[box[1]], self.grid.axis(0)[box[2]])
        lattice = _lattice(shape, self.grid, axes)
        values = _evaluated(shape.distance, lattice)
        cells = _cells_touched(values < self.voxel_mm / 2)
        if cells is None:
            return None
        lattice = tuple(axis[cell] for axis, cell in zip(lattice, cells, strict=True))  # type: ignore[assignment]
        parts = [_between(axis, coarse) for axis, coarse in zip(axes, lattice, strict=True)]
        if any(part.stop == part.start for part in parts):
            return None
        targets = (axes[0][parts[0]], axes[1][parts[1]], axes[2][parts[2]])
        z, y, x = broadcastable(targets)
        shifted = [
            slice(full.start + part.start, full.start + part.stop)
            for full, part in zip(box, parts, strict=True)
        ]
        return Patch(
            where=(shifted[0], shifted[1], shifted[2]),
            x=x,
            y=y,
            z=z,
            distance=interpolated(values[cells], lattice, targets),
        )

    def sampled(self, shape: Shape, patch: Patch) -> Floats:
        """Return the signed distance to another shape on the voxels of a patch."""
        axes = tuple(np.asarray(axis, np.float64).ravel() for axis in (patch.z, patch.y, patch.x))
        targets = (axes[0], axes[1], axes[2])
        lattice = _lattice(shape, self.grid, targets)
        return interpolated(_evaluated(shape.distance, lattice), lattice, targets)


def coverage(distance: Floats, width_mm: float) -> Floats:
    """Share of a voxel inside a plane border at this distance from its centre."""
    share = distance * np.float32(-1 / width_mm)
    share += np.float32(0.5)
    return np.clip(share, 0, 1, out=share)


def broadcastable(axes: Axes) -> tuple[Floats, Floats, Floats]:
    """Return (z, y, x) as arrays that broadcast to (slices, rows, columns)."""
    z, y, x = (axis.astype(np.float32) for axis in axes)
    return z[:, None, None], y[None, :, None], x[None, None, :]


def _lattice(shape: Shape, grid: Grid, axes: Axes) -> Axes:
    """Points at which to evaluate a shape: the voxels, or multiples of its step if coarser.

    The lattice is the same for every slab and every grid.
    """
    step = shape.step_mm
    lattice = []
    for axis, spacing in zip(axes, grid.spacing_mm[::-1], strict=True):
        if step is None or spacing >= step:
            lattice.append(axis)
        else:
            first, last = np.floor(axis[0] / step), np.ceil(axis[-1] / step)
            lattice.append(np.arange(first, max(last, first + 1) + 1) * step)
    return lattice[0], lattice[1], lattice[2]


def _evaluated(distance: Distance, axes: Axes) -> Floats:
    z, y, x = broadcastable(axes)
    values = distance(x, y, z)
    return np.ascontiguousarray(
        np.broadcast_to(values, tuple(len(axis) for axis in axes)), dtype=np.float32
    )


def _cells_touched(inside: Bits) -> Box | None:
    """Index ranges of all points inside plus one point on each side."""
    ranges = []
    for number in range(3):
        others = tuple(k for k in range(3) if k != number)
        hits = np.flatnonzero(inside.any(axis=others))
        if not len(hits):
            return None
        ranges.append(slice(max(int(hits[0]) - 1, 0), int(hits[-1]) + 2))
    return ranges[0], ranges[1], ranges[2]


def _between(axis: NDArray[np.float64], ends: NDArray[np.float64]) -> slice:
    """Index range of the part of an axis between the first and the last of ``ends``."""
    tiny = 1e-6
    return slice(
        int(np.searchsorted(axis, ends[0] - tiny)), int(np.searchsorted(axis, ends[-1] + tiny))
    )


def _value(medium: Medium, patch: Patch) -> Floats | np.float32:
    return medium(patch) if callable(medium) else np.float32(medium)
