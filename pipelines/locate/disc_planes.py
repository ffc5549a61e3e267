"""Fit the planes between vertebral bodies to the discs.

All coordinates are indices (slice, row, column) of the canonical 3 mm grid.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.structures_3mm import SPACING_MM

SEARCH_RADIUS_MM, SEARCH_HALF_MM = 22.0, 11.0
"""A disc lies this near to the axis of the spine and to the border found along it, also where it
is tilted by 25 degrees against the axis, as between L5 and the sacrum."""
DISC_PROBABILITY: Final = 0.3
FEWEST_VOXELS: Final = 24
"""3 mm voxels of disc (0.6 cm3) that a fit needs."""
FLATNESS: Final = 0.5
"""Largest ratio of a disc's extent across its plane to the smaller one within."""
LARGEST_TILT_DEG: Final = 40.0
BODY_HALF_WIDTH_MM: Final = 30.0
"""Greatest distance of a lumbar body's voxel from the middle of its disc, along the plane of the disc. The
wings of the sacrum lie farther out and may lie above the plane."""
BODY_HEIGHT_MM: Final = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscPlane:
    """Plane through the middle of a disc.

    Parameters
    ----------
    point, normal : (3,)
        The normal is a unit vector towards the head.
    seen
        Whether voxels of a disc define it; else it is perpendicular to the axis of the spine.
    """

    point: NDArray[np.float64]
    normal: NDArray[np.float64]
    seen: bool


def disc_plane(
    point: NDArray[np.float64], direction: NDArray[np.float64], disc: NDArray[np.float32]
) -> DiscPlane:
    """Fit the plane of the disc at a border between two bodies.

    Parameters
    ----------
    point, direction : (3,)
        Border on the axis of the spine, and the axis there (unit, upward).
    disc : (slices, rows, columns) float32
        Probability.

    Source
    ------
    Total least squares: the normal is the direction of least variance of the disc's voxels.
    """
    square = DiscPlane(point=point, normal=direction, seen=False)
    places, weights = _disc_voxels(point, direction, disc)
    if len(places) < FEWEST_VOXELS:
        return square
    middle = np.average(places, axis=0, weights=weights)
    spread, axes = np.linalg.eigh(np.cov((places - middle).T, aweights=weights))
    normal = axes[:, 0] * np.sign(axes[:, 0] @ direction)
    flat = spread[0] < FLATNESS**2 * spread[1]
    if not flat or normal @ direction < np.cos(np.deg2rad(LARGEST_TILT_DEG)):
        return square
    return DiscPlane(point=middle, normal=normal, seen=True)


def above_disc(plane: DiscPlane, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Voxels of the canonical grid directly above a disc, which belong to the body above it."""
    offsets = [
        (np.arange(size, dtype=np.float64) - middle) * SPACING_MM
        for size, middle in zip(shape, plane.point, strict=True)
    ]
    up, back, left = np.ix_(*offsets)
    height = up * plane.normal[0] + back * plane.normal[1] + left * plane.normal[2]
    aside = np.sqrt(np.maximum(up**2 + back**2 + left**2 - height**2, 0))
    return np.asarray((height > 0) & (height < BODY_HEIGHT_MM) & (aside < BODY_HALF_WIDTH_MM))


def _disc_voxels(
    point: NDArray[np.float64], direction: NDArray[np.float64], disc: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Voxels of the disc near a border, and their probabilities."""
    reach = np.hypot(SEARCH_RADIUS_MM, SEARCH_HALF_MM) / SPACING_MM
    low = np.clip(np.floor(point - reach), 0, disc.shape).astype(int)
    high = np.clip(np.ceil(point + reach) + 1, 0, disc.shape).astype(int)
    box = disc[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    index = np.argwhere(box > DISC_PROBABILITY)
    offsets = (index + low - point) * SPACING_MM
    along = offsets @ direction
    aside = np.linalg.norm(offsets - along[:, None] * direction, axis=1)
    near = (np.abs(along) < SEARCH_HALF_MM) & (aside < SEARCH_RADIUS_MM)
    return (index + low)[near].astype(float), box[tuple(index[near].T)].astype(float)
