"""Follow the column of vertebral bodies and tell the bodies apart along it.

All coordinates are indices (slice, row, column) of the canonical 3 mm grid; places along the
curve are its parameter, counted in voxels of arc length from the lowest point upward.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal
from scipy.interpolate import CubicSpline

from models.structures import SPACING_MM

MINIMUM_VOXELS: Final = 120
"""3 mm voxels of body (3 cm3) under which there is no spine."""
PROFILE_STEP: Final = 0.25
DISK_RADIUS_MM: Final = 9.0
CLOSEST_MM: Final = 15.0
"""Centres of neighbouring bodies are never nearer (upper thoracic spine, small women)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpinalCurve:
    """Smooth curve through the middle of the bodies, from below.

    Parameters
    ----------
    spline
        Arc length in voxels to index coordinates.
    length
        Arc length of its upper end; the lower end is 0.
    """

    spline: CubicSpline
    length: float

    def at(self, place: float) -> NDArray[np.float64]:
        """Index coordinates of a place; straight beyond the ends."""
        inside = float(np.clip(place, 0, self.length))
        return np.asarray(self.spline(inside) + (place - inside) * self.direction(inside))

    def direction(self, place: float) -> NDArray[np.float64]:
        """Unit tangent in index coordinates, upward."""
        tangent = np.asarray(self.spline(float(np.clip(place, 0, self.length)), 1))
        return tangent / np.linalg.norm(tangent)


def follow_spine(body: NDArray[np.float32], disc: NDArray[np.float32]) -> SpinalCurve | None:
    """Curve through the largest column of bodies and discs; ``None`` without a spine.

    Parameters
    ----------
    body, disc : (slices, rows, columns) float32
        Probabilities.
    """
    if (body > 0.5).sum() < MINIMUM_VOXELS:
        return None
    column, count = ndimage.label(ndimage.binary_dilation(body + disc > 0.5))
    weights = ndimage.sum_labels(body > 0.5, column, np.arange(1, count + 1))
    mask = column == int(np.argmax(weights)) + 1
    weight = np.where(mask, body + disc, 0)
    return _through_centres(weight, _centres_by_slice(weight))


def _centres_by_slice(weight: NDArray[np.float32]) -> NDArray[np.float64]:
    """(points, 3) weighted middle of each slice that shows enough of the column."""
    total = weight.sum(axis=(1, 2))
    slices = np.nonzero(total > 12)[0]
    rows = (weight * np.arange(weight.shape[1])[None, :, None]).sum(axis=(1, 2))[slices]
    columns = (weight * np.arange(weight.shape[2])[None, None, :]).sum(axis=(1, 2))[slices]
    return np.stack([slices, rows / total[slices], columns / total[slices]], axis=1).astype(float)


def _through_centres(
    weight: NDArray[np.float32], points: NDArray[np.float64]
) -> SpinalCurve | None:
    """Smooth the middles, then set each to the middle of the plane across the curve, twice."""
    if len(points) < 4:
        return None
    smooth = ndimage.gaussian_filter1d(points, 3.0, axis=0, mode="nearest")
    smooth[:, 0] = points[:, 0]
    knots = smooth[:: max(1, min(4, len(smooth) // 4))]
    if not np.array_equal(knots[-1], smooth[-1]):
        knots = (
            np.vstack([knots[:-1], smooth[-1]])
            if len(knots) > 2
            else np.vstack([knots, smooth[-1]])
        )
    steps = np.linalg.norm(np.diff(knots, axis=0), axis=1)
    way = np.concatenate([[0], np.cumsum(steps)])
    return SpinalCurve(spline=CubicSpline(way, knots, axis=0), length=float(way[-1]))


def profiles(
    curve: SpinalCurve, maps: list[NDArray[np.float32]]
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Mean of each map over a disk across the curve, at places ``PROFILE_STEP`` apart."""
    places = np.arange(-4.0, curve.length + 4.0, PROFILE_STEP)
    radius = DISK_RADIUS_MM / SPACING_MM
    offsets = np.moveaxis(np.mgrid[-3:4, -3:4], 0, -1).reshape(-1, 2)
    offsets = offsets[np.hypot(*offsets.T) <= radius]
    points = []
    for place in places:
        tangent = curve.direction(place)
        across = np.cross(tangent, (0.0, 0.0, 1.0))
        across /= np.linalg.norm(across)
        aside = np.cross(tangent, across)
        points.append(curve.at(place) + offsets[:, :1] * across + offsets[:, 1:] * aside)
    where = np.moveaxis(np.asarray(points), -1, 0)
    means = [
        ndimage.map_coordinates(values, where, order=1, mode="constant").mean(axis=1)
        for values in maps
    ]
    return places, means


def find_bodies(
    curve: SpinalCurve,
    body: NDArray[np.float32],
    disc: NDArray[np.float32],
    centre: NDArray[np.float32],
) -> list[tuple[float, float, float]]:
    """Places (lower border, middle, upper border) of every body, from below.

    Borders lie in the middle of the discs. Centres are the peaks of the centre map, supported
    by body and not disc; two bodies taken for one are parted where the disc speaks most.
    """
    places, (b, d, c) = profiles(curve, [body, disc, centre])
    score = ndimage.gaussian_filter1d(c * 1.5 + b - d, 1.5 / PROFILE_STEP / 2)
    peaks, _ = signal.find_peaks(
        score, height=0.35, distance=round(CLOSEST_MM / SPACING_MM / PROFILE_STEP), prominence=0.12
    )
    peaks = np.array([p for p in peaks if b[max(0, p - 4) : p + 5].max() > 0.4], int)
    if len(peaks) == 0:
        return []
    cuts = [_cut(score, one, other) for one, other in pairwise(peaks)]
    half = np.median(np.diff(peaks)) / 2 if len(peaks) > 1 else 16.0 / SPACING_MM / PROFILE_STEP
    first, last = peaks[0] - half, peaks[-1] + half
    borders = [first, *cuts, last]
    steps = np.arange(len(places))
    return [
        (
            float(np.interp(borders[i], steps, places)),
            float(places[peak]),
            float(np.interp(borders[i + 1], steps, places)),
        )
        for i, peak in enumerate(peaks)
    ]


def _cut(score: NDArray[np.float64], one: int, other: int) -> float:
    """Lowest point between two peaks; the middle of a flat valley."""
    valley = score[one : other + 1]
    lowest = np.nonzero(valley <= valley.min() + 0.02)[0]
    return float(one + lowest.mean())
