"""The two spaces of a CT volume, and the maps between them.

Patient space
    Millimetres along the patient's left, posterior and head direction (LPS): x, y, z of
    PS3.3 C.7.6.2.1.1, within one Frame of Reference. Names end in ``_lps_mm``.
Index space
    (slice, row, column) of an array, fractional where needed; integer at voxel centres. Names end
    in ``_index``. The affine of a volume maps index to patient space.

A *canonical* grid is axis-aligned in patient space: slices go to the head, rows to posterior,
columns to the left. Every 3 mm network gets its input on such a grid.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

ROUNDING: Final = 1e-6
"""Rounding error of an index that is tolerated, in voxels."""
Box = tuple[slice, slice, slice]
"""Index ranges: slices, rows, columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """Where a CT volume lies; a sheared (gantry-tilted) stack is allowed.

    highdicom's ``VolumeGeometry`` rejects sheared stacks; this class accepts them.

    Parameters
    ----------
    affine : (4, 4) float64
        Index (slice, row, column, 1) to LPS mm.
    shape
        (slices, rows, columns).
    frame_of_reference_uid
        ``None`` where the header has none.
    """

    affine: NDArray[np.float64]
    shape: tuple[int, int, int]
    frame_of_reference_uid: str | None

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """(3,) distance of neighbouring voxel centres along slices, rows, columns."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel, also of a sheared one."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))


def tilt_degrees(geometry: Geometry) -> float:
    """Angle between the step from slice to slice and the slice normal."""
    step, down, right = geometry.affine[:3, :3].T
    normal = np.cross(right, down)
    cosine = abs(step @ normal) / (np.linalg.norm(step) * np.linalg.norm(normal))
    return float(np.degrees(np.arccos(np.clip(cosine, 0, 1))))


def geometry_of_stack(
    *,
    first_position: NDArray[np.float64],
    last_position: NDArray[np.float64],
    orientation: NDArray[np.float64],
    spacing_mm: tuple[float, float],
    shape: tuple[int, int, int],
    frame_of_reference_uid: str,
) -> Geometry:
    """Geometry of evenly spaced slices (PS3.3 C.7.6.2.1.1).

    Parameters
    ----------
    first_position, last_position : (3,)
        Image Position (Patient) of the outermost slices.
    orientation : (6,)
        Image Orientation (Patient): direction along a row, then down a column.
    spacing_mm
        Pixel Spacing: between rows, between columns.
    """
    along_row = orientation[:3] / np.linalg.norm(orientation[:3])
    down_column = orientation[3:] - (orientation[3:] @ along_row) * along_row
    down_column /= np.linalg.norm(down_column)
    step = (last_position - first_position) / (shape[0] - 1)
    affine = np.eye(4)
    affine[:3, 0] = step
    affine[:3, 1] = down_column * spacing_mm[0]
    affine[:3, 2] = along_row * spacing_mm[1]
    affine[:3, 3] = first_position
    affine.flags.writeable = False
    return Geometry(affine=affine, shape=shape, frame_of_reference_uid=frame_of_reference_uid)


@dataclass(frozen=True, slots=True, kw_only=True)
class CanonicalGrid:
    """Axis-aligned isotropic grid around a CT.

    Parameters
    ----------
    origin_lps_mm : (3,)
        Patient coordinates of voxel (0, 0, 0).
    spacing_mm
        Along all three axes.
    shape
        (slices to head, rows to posterior, columns to left).
    """

    origin_lps_mm: NDArray[np.float64]
    spacing_mm: float
    shape: tuple[int, int, int]

    @property
    def affine(self) -> NDArray[np.float64]:
        """(4, 4), index (slice, row, column, 1) to LPS mm."""
        affine = np.eye(4)
        affine[:3, :3] = np.eye(3)[::-1] * self.spacing_mm
        affine[:3, 3] = self.origin_lps_mm
        return affine


def to_lps(affine: NDArray[np.float64], index: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 3) indices to patient coordinates."""
    return np.asarray(index @ affine[:3, :3].T + affine[:3, 3])


def to_index(affine: NDArray[np.float64], lps_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 3) patient coordinates to fractional indices."""
    return np.asarray((lps_mm - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T)


def canonical_grid(geometry: Geometry, spacing_mm: float) -> CanonicalGrid:
    """Smallest canonical grid that holds every voxel centre of a volume."""
    shape = np.asarray(geometry.shape)
    corners = np.stack(np.meshgrid(*[(0, n - 1) for n in shape], indexing="ij"), -1).reshape(-1, 3)
    places = to_lps(geometry.affine, corners.astype(float))
    low, high = places.min(axis=0), places.max(axis=0)
    counts = np.floor((high - low) / spacing_mm + ROUNDING).astype(int) + 1
    return CanonicalGrid(
        origin_lps_mm=low,
        spacing_mm=spacing_mm,
        shape=(int(counts[2]), int(counts[1]), int(counts[0])),
    )
