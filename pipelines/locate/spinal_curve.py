"""Fit a curve to the column of vertebral bodies and cut the column into bodies.

All coordinates are indices (slice, row, column) of the canonical 3 mm grid; places along the
curve are its parameter, counted in voxels of arc length from the lowest point upward.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import CubicSpline

from models.structures_3mm import SPACING_MM
from pipelines.space.masks import connected_parts

MINIMUM_VOXELS: Final = 120
"""Least number of 3 mm voxels of body (3 cm3) of a spine."""
PROFILE_STEP: Final = 0.5
DISK_RADIUS_MM: Final = 9.0
BEYOND_MM: Final = 30.0
"""Length of the profiles beyond the ends of the curve: the edge of the scan may cut a body."""
SHORTEST_MM, LONGEST_MM = 17.0, 45.0
"""Length of a body with its disc, from the upper thoracic spine to L3 of a tall man."""
USUAL_MM, USUAL_SPREAD = 31.0, 0.3
LENGTH_CHANGE: Final = 0.11
"""Typical relative change of the length from neighbour to neighbour (natural logarithm)."""
UNEXPLAINED_PER_MM: Final = 0.12
"""Cost of body that lies outside all pieces."""
VISIBLE_SHARE: Final = 0.3
"""Share of a piece that must be body for it to count as a vertebra."""


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
    column, sizes = connected_parts(ndimage.binary_dilation(body + disc > 0.5))
    weights = ndimage.sum_labels(body > 0.5, column, np.arange(1, len(sizes)))
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
    beyond = BEYOND_MM / SPACING_MM
    places = np.arange(-beyond, curve.length + beyond, PROFILE_STEP)
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

    Borders lie in the middle of the discs. The column is cut as a whole: into the sequence of
    pieces that disc, body and centre maps support best and whose lengths change slowly from
    neighbour to neighbour. A dense band inside a body therefore does not split it, and a disc that the
    network missed is placed between its neighbours.
    """
    places, (b, d, c) = profiles(curve, [body, disc, centre])
    cuts = cut_column(b, d, c)
    steps = np.arange(len(places))
    borders = np.interp(cuts, steps, places)
    found = [(float(low), float((low + high) / 2), float(high)) for low, high in pairwise(borders)]
    return [
        place
        for place, (low, high) in zip(found, pairwise(cuts), strict=True)
        if b[low:high].mean() > VISIBLE_SHARE
    ]


def cut_column(
    body: NDArray[np.float64], disc: NDArray[np.float64], centre: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Cut profiles of the column into vertebrae by dynamic programming.

    Parameters
    ----------
    body, disc, centre : (places,)
        Profiles at places ``PROFILE_STEP`` voxels apart.

    Returns
    -------
    (cuts,) indices, ascending: the discs, and the outer borders of the outermost bodies.
    """
    count = len(body)
    scale = PROFILE_STEP * SPACING_MM
    lengths = np.arange(round(SHORTEST_MM / scale), round(LONGEST_MM / scale) + 1)
    at_disc = ndimage.gaussian_filter1d(disc - body, 1.0 / scale)
    at_centre = ndimage.gaussian_filter1d(centre, 2.0 / scale)
    filled = np.concatenate([[0.0], np.cumsum(body)])
    missed = UNEXPLAINED_PER_MM * scale
    change = np.log(lengths[:, None] / lengths[None, :]) ** 2 / (2 * LENGTH_CHANGE**2)
    usual = np.log(lengths * scale / USUAL_MM) ** 2 / (2 * USUAL_SPREAD**2)
    best = np.full((count, len(lengths)), -np.inf)
    source = np.full((count, len(lengths)), -1)
    for end in range(lengths[0], count):
        for k, length in enumerate(lengths):
            start = end - length
            if start < 0:
                break
            share = (filled[end] - filled[start]) / length
            gain = at_disc[end] + 0.5 * at_centre[start + length // 2] + share - VISIBLE_SHARE
            alone = at_disc[start] - missed * filled[start] - usual[k]
            before = best[start] - change[:, k]
            previous = int(np.argmax(before))
            if before[previous] > alone:
                best[end, k], source[end, k] = before[previous] + gain, previous
            else:
                best[end, k] = alone + gain
    final = best - missed * (filled[-1] - filled[1:])[:, None]
    if not np.isfinite(final).any():
        return np.zeros(0, np.intp)
    end, k = (int(i) for i in np.unravel_index(np.argmax(final), final.shape))
    cuts = [end]
    while k >= 0:
        end, k = end - int(lengths[k]), int(source[end, k])
        cuts.append(end)
    return np.asarray(cuts[::-1], np.intp)
