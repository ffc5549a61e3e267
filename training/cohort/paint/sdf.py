"""Signed distances of simple solids (mm, negative inside) over broadcastable coordinates.

Source: I. Quilez, distance functions. Distances to ellipsoids and superellipses are first-order
estimates along the ray from the centre; they are exact at the surface.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

from training.cohort.paint.grid import Bounds, Floats
from training.cohort.paint.raster import Shape

Point: TypeAlias = Sequence[float] | NDArray[np.float64]


def ellipsoid(x: Floats, y: Floats, z: Floats, centre: Point, radii: Point) -> Floats:
    """Distance to an axis-aligned ellipsoid."""
    dx, dy, dz = x - np.float32(centre[0]), y - np.float32(centre[1]), z - np.float32(centre[2])
    a, b, c = (np.float32(r) for r in radii)
    scaled = np.sqrt((dx / a) ** 2 + (dy / b) ** 2 + (dz / c) ** 2) + np.float32(1e-6)
    gradient = np.sqrt((dx / a**2) ** 2 + (dy / b**2) ** 2 + (dz / c**2) ** 2) + np.float32(1e-6)
    return np.asarray(scaled * (scaled - 1) / gradient)


def capsule(
    x: Floats, y: Floats, z: Floats, start: Point, end: Point, radii: tuple[float, float]
) -> Floats:
    """Distance to a rod between two points; the radius changes linearly from end to end."""
    p, q = np.asarray(start, np.float32), np.asarray(end, np.float32)
    way = q - p
    share = ((x - p[0]) * way[0] + (y - p[1]) * way[1] + (z - p[2]) * way[2]) / float(way @ way)
    share = np.clip(share, 0, 1)
    square = (x - p[0] - share * way[0]) ** 2
    square = square + (y - p[1] - share * way[1]) ** 2
    square += (z - p[2] - share * way[2]) ** 2
    return np.asarray(np.sqrt(square) - (radii[0] + share * (radii[1] - radii[0])))


def superellipse(
    x: Floats, y: Floats, half: tuple[ArrayLike, ArrayLike], exponent: float
) -> Floats:
    """Distance to an infinite column with a superelliptic section; ``half`` may vary along z."""
    a, b = np.asarray(half[0], np.float32), np.asarray(half[1], np.float32)
    power = np.float32(exponent)
    norm = ((np.abs(x) / a) ** power + (np.abs(y) / b) ** power) ** (1 / power)
    norm = np.maximum(norm, np.float32(1e-3))
    return np.asarray(np.hypot(x, y) * (1 - 1 / norm) - np.where(norm < 0.05, np.minimum(a, b), 0))


def union(first: Floats, second: Floats, blend_mm: float = 0.0) -> Floats:
    """Unite two bodies; a polynomial fillet of about ``blend_mm`` smooths their junction."""
    if blend_mm <= 0:
        return np.minimum(first, second)
    mix = np.maximum(blend_mm - np.abs(first - second), 0) / np.float32(blend_mm)
    return np.asarray(np.minimum(first, second) - mix * mix * np.float32(blend_mm / 4))


def intersection(first: Floats, second: Floats, blend_mm: float = 0.0) -> Floats:
    """Intersect two bodies, with a rounded edge."""
    return -union(-first, -second, blend_mm)


def beads(
    balls: Callable[[], NDArray[np.float64]],
    bounds: Bounds,
    step_mm: float,
) -> Shape:
    """Body made of overlapping balls: tubes along a curve, plates along a surface.

    Parameters
    ----------
    balls
        Function that returns (n, 4): position (LPS mm) and radius (mm). Balls are closer together
        than their radii, and radii change slowly along the body. Called at the first evaluation.
    bounds
        A box that contains every ball.
    """
    reach = 2 * step_mm + 2.0
    rows = cache(lambda: balls().astype(np.float32))

    def distance(x: Floats, y: Floats, z: Floats) -> Floats:
        axes = (x.ravel(), y.ravel(), z.ravel())
        result = np.full((len(axes[2]), len(axes[1]), len(axes[0])), reach, np.float32)
        for ball in _near(rows(), axes, reach):
            _add_ball(result, axes, ball, reach)
        return result

    return Shape(distance=distance, bounds=bounds, step_mm=step_mm)


def _near(balls: Floats, axes: tuple[Floats, Floats, Floats], reach: float) -> Floats:
    """Balls whose surface is within ``reach`` of the box of the axes."""
    low = np.array([axis[0] for axis in axes])
    high = np.array([axis[-1] for axis in axes])
    wide = balls[:, 3:] + np.float32(reach)
    return balls[np.all((balls[:, :3] > low - wide) & (balls[:, :3] < high + wide), axis=1)]


def _add_ball(
    result: Floats, axes: tuple[Floats, Floats, Floats], bead: NDArray[np.float32], reach: float
) -> None:
    """Unite a distance field with a ball, within ``reach`` of the surface of the ball."""
    wide = bead[3] + reach
    parts, squares = [], []
    for axis, centre in zip(axes, bead, strict=False):
        start, stop = axis.searchsorted((centre - wide, centre + wide))
        if start == stop:
            return
        parts.append(slice(start, stop))
        squares.append((axis[start:stop] - centre) ** 2)
    gap = squares[2][:, None, None] + squares[1][:, None] + squares[0]
    np.sqrt(gap, out=gap)
    gap -= bead[3]
    there = result[parts[2], parts[1], parts[0]]
    np.minimum(there, gap, out=there)


def enclosing(points: NDArray[np.float64], margin_mm: float) -> Bounds:
    """Return the box around points, with a margin."""
    low, high = points.min(axis=0) - margin_mm, points.max(axis=0) + margin_mm
    return (
        (float(low[0]), float(high[0])),
        (float(low[1]), float(high[1])),
        (float(low[2]), float(high[2])),
    )


def around(balls: NDArray[np.float64]) -> Bounds:
    """Return the box around balls (x, y, z, radius)."""
    return enclosing(balls[:, :3], float(balls[:, 3].max()))


def curve(
    knots: Sequence[Sequence[float]] | NDArray[np.float64], spacing_mm: float
) -> NDArray[np.float64]:
    """Return a smooth path through knots, sampled about every ``spacing_mm``.

    Knots may have more numbers than a position, for example a radius; all are interpolated.
    """
    places = np.asarray(knots, dtype=np.float64)
    lengths = np.linalg.norm(np.diff(places[:, :3], axis=0), axis=1)
    moves = np.concatenate([[True], lengths > 1e-6])  # a knot may occur twice
    places, lengths = places[moves], lengths[moves[1:]]
    way = np.concatenate([[0], np.cumsum(lengths)])
    samples = np.linspace(0, way[-1], max(2, int(way[-1] / spacing_mm) + 1))
    return np.asarray(PchipInterpolator(way, places)(samples))


def tube(knots: Sequence[Sequence[float]] | NDArray[np.float64], step_mm: float) -> Shape:
    """Return a tube through knots (x, y, z, radius)."""
    return tubes([np.asarray(knots, dtype=np.float64)], step_mm)


def tubes(paths: Sequence[NDArray[np.float64]], step_mm: float) -> Shape:
    """Return one body of several tubes, each through knots (x, y, z, radius).

    Balls are a quarter of a radius apart, so ripples are below a hundredth of the radius.
    """

    def balls() -> NDArray[np.float64]:
        return np.concatenate(
            [curve(knots, spacing_mm=max(1.0, float(knots[:, 3].min()) / 4)) for knots in paths]
        )

    # The path never overshoots its knots (PCHIP is monotone between them).
    return beads(balls, around(np.concatenate(paths)), step_mm)
