"""Signed distances of one vertebra in its own axes: body, arch, processes, and its disc."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.contract.anatomy import Level
from training.cohort.body.fracture import bulge, endplate_drops
from training.cohort.body.plan import VertebraPlan
from training.cohort.paint.grid import Bounds, Floats
from training.cohort.paint.raster import Patch, Shape
from training.cohort.paint.sdf import (
    Point,
    capsule,
    ellipsoid,
    enclosing,
    intersection,
    superellipse,
    union,
)

STEP_MM = 1.0
"""Spacing of the lattice. Edges are rounded by 2.5 mm; the error is therefore below 0.1 mm."""

CANAL_HALF_WIDTH_MM, CANAL_HALF_DEPTH_MM = 11.5, 8.5

FRONT_AT = -0.4
BACK_INSIDE_MM = 5.0
"""Positions of anterior and posterior height, as shares of the depth; posterior from the back."""

FACET_HYPERTROPHY = (0.0, 0.12, 0.28, 0.45)
"""Increase in thickness of an articular process by grade of sclerosis."""
FACET_KNOBS_MM = 1.6
"""Height of the knobs on an articular process per growth of 1."""
FACET_LENGTHENING = 0.4
"""Increase in length as a share of the increase in thickness."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalAxes:
    """Coordinates in the axes of a vertebra: left, posterior and up from its middle, mm."""

    left: Floats
    posterior: Floats
    up: Floats


def local_axes(plan: VertebraPlan, x: Floats, y: Floats, z: Floats) -> LocalAxes:
    """Convert patient coordinates to the axes of a vertebra."""
    dx, dy, dz = (c - np.float32(p) for c, p in zip((x, y, z), plan.centre_lps_mm, strict=True))
    left, posterior, up = (_projected(row, (dx, dy, dz)) for row in plan.axes)
    return LocalAxes(left=left, posterior=posterior, up=up)


def _projected(direction: NDArray[np.float64], offsets: tuple[Floats, Floats, Floats]) -> Floats:
    """Scalar product without zero terms, so that the result broadcasts over fewer axes."""
    terms = [np.float32(d) * o for d, o in zip(direction, offsets, strict=True) if d != 0]
    return np.asarray(sum(terms[1:], start=terms[0]))


def body_distance(plan: VertebraPlan, at: LocalAxes) -> Floats:
    """Vertebral body: superellipse with a waist, concave end plates, flat towards the canal."""
    width, depth, height = plan.size_mm
    relative = np.clip(at.up / np.float32(height / 2), -1.2, 1.2)
    waist = 1 - np.float32(plan.form.waist) * (1 - relative**2)
    if plan.findings.fracture:
        waist = waist * np.float32(bulge(plan.findings))
    half = (width / 2 * waist, depth / 2 * waist)
    side = superellipse(at.left, at.posterior, half, plan.form.body_exponent)
    # The back is flat to slightly hollow, behind the widest part of the body.
    hollow = np.float32(plan.form.hollow_mm) * np.maximum(
        1 - (at.left / np.float32(width * 0.3)) ** 2, -2
    )
    back = at.posterior - np.float32(depth / 2 - 1.5) + hollow
    upper, lower = endplate_depths(plan, at)
    return intersection(intersection(side, back, 3.0), -np.minimum(upper, lower), 2.5)


def endplate_depths(plan: VertebraPlan, at: LocalAxes) -> tuple[Floats, Floats]:
    """Distance of a point below the upper and above the lower end plate, mm."""
    width, depth, height = plan.size_mm
    square = (at.left / np.float32(width / 2)) ** 2 + (at.posterior / np.float32(depth / 2)) ** 2
    dish = np.float32(plan.form.concavity_mm) * np.maximum(1 - square, 0)
    wedge = np.float32(_wedge(plan.level)) * at.posterior
    half = np.float32(height / 2) - dish - wedge
    if plan.asymmetry:
        half = half + np.float32(plan.asymmetry * height / width) * at.left
    if plan.findings.fracture or plan.findings.schmorl_mm:
        upper, lower = endplate_drops(plan.findings, plan.size_mm, half, at.left, at.posterior)
        return half - upper - at.up, half - lower + at.up
    return half - at.up, half + at.up


def _wedge(level: Level) -> float:
    """Decrease of the end plate height per mm to posterior; L5 and L4 are wedge-shaped."""
    return {Level.L5: 0.085, Level.L4: 0.03, Level.L3: 0.01}.get(level, -0.015)


def arch_distance(plan: VertebraPlan, at: LocalAxes) -> Floats:
    """Distance to pedicles, laminae, facets and processes, without the canal."""
    solid = _pedicles_and_laminae(plan, at)
    for part in (articular_distance, _transverse, _spinous):
        solid = union(solid, part(plan, at), 3.0)
    return intersection(solid, -canal_distance(plan, at), 2.0)


def canal_distance(plan: VertebraPlan, at: LocalAxes) -> Floats:
    """Distance to the vertebral canal, a rounded triangle behind the body."""
    width, depth = canal_half_mm(plan)
    behind = at.posterior - np.float32(canal_centre(plan))
    narrowing = 1 - np.float32(0.25) * np.clip(behind / np.float32(depth), -1, 1)
    return superellipse(at.left, behind, (np.float32(width) * narrowing, depth), 2.3)


def canal_half_mm(plan: VertebraPlan) -> tuple[float, float]:
    """Half width and half depth of the canal."""
    return CANAL_HALF_WIDTH_MM * plan.form.canal, CANAL_HALF_DEPTH_MM * plan.form.canal


def canal_back(plan: VertebraPlan) -> float:
    """Distance of the back wall of the canal behind the middle of the body, mm."""
    return canal_centre(plan) + canal_half_mm(plan)[1]


def canal_centre(plan: VertebraPlan) -> float:
    """Distance of the middle of the canal behind the middle of the body, mm."""
    return plan.size_mm[1] / 2 - 2.0 + canal_half_mm(plan)[1]


def _pedicles_and_laminae(plan: VertebraPlan, at: LocalAxes) -> Floats:
    width, depth, height = plan.size_mm
    side = np.abs(at.left)
    flat = at.up * np.float32(0.62)  # taller than wide
    level = 0.62 * height * 0.2
    pedicle = capsule(
        side,
        at.posterior,
        flat,
        (width * 0.31, depth * 0.38, level),
        (width * 0.33, depth / 2 + 12, level),
        (4.6 * plan.form.pedicle, 4.4 * plan.form.pedicle),
    )
    stretched = at.up * np.float32(0.52)
    back = canal_back(plan)
    lamina = capsule(
        side,
        at.posterior,
        stretched,
        (width * 0.33, depth / 2 + 12, 0.52 * -0.12 * height),
        (0.0, back + 4, 0.52 * -0.32 * height),
        (4.0, 3.6),
    )
    return union(pedicle, lamina, 3.0)


def articular_distance(plan: VertebraPlan, at: LocalAxes) -> Floats:
    """Distance to the articular processes of both sides; sclerotic ones have knobs."""
    upper, lower = facets(plan)
    side = np.abs(at.left)
    solid = union(
        ellipsoid(side, at.posterior, at.up, *upper), ellipsoid(side, at.posterior, at.up, *lower)
    )
    growth = FACET_HYPERTROPHY[plan.findings.facet_sclerosis]
    if not growth:
        return solid
    # The pattern depends on the level and differs between the sides.
    phase = np.float32(1.7 * plan.label)
    knobs = np.sin(at.left / 2.2 + phase) * np.sin(at.up / 3.1 + phase) + np.sin(
        at.posterior / 2.6 - phase
    ) * np.sin(at.up / 2.3)
    return np.asarray(solid + np.float32(FACET_KNOBS_MM * growth) * knobs, np.float32)


def facets(plan: VertebraPlan) -> tuple[tuple[Point, Point], tuple[Point, Point]]:
    """Centre and radii of the upper and lower articular process of the left side.

    With sclerosis they grow laterally and backwards. Their front stays, where the nerve exits.
    """
    width, depth, height = plan.size_mm
    healthy, growth = plan.form.facet, FACET_HYPERTROPHY[plan.findings.facet_sclerosis]
    wide, deep = 5.2 * healthy, 5.0 * healthy
    aside, behind = growth * wide / 2, growth * deep
    longer = 1 + FACET_LENGTHENING * growth
    across = (wide * (1 + growth), deep * (1 + growth))
    return (
        (
            (width * 0.38 + aside, depth / 2 + 13.5 + behind, height * 0.46),
            (*across, (8.5 + healthy) * longer),
        ),
        (
            (width * 0.27 + aside, depth / 2 + 20 + behind, -height * 0.62),
            (*across, (9.5 + healthy) * longer),
        ),
    )


def _transverse(plan: VertebraPlan, at: LocalAxes) -> Floats:
    width, depth, height = plan.size_mm
    side = np.abs(at.left)
    thoracic = plan.level <= Level.T12
    reach = {Level.T12: 12.0, Level.T11: 16.0, Level.L1: 20.0, Level.L5: 21.0}.get(
        plan.level, 20.0 if thoracic else 26.0
    )
    reach *= plan.form.transverse
    backward = 12.0 if thoracic else 3.0
    start = (width * 0.33, depth / 2 + 10, height * 0.15)
    end = (width * 0.33 + reach, depth / 2 + 10 + backward, height * (0.25 if thoracic else 0.2))
    radii = (5.0, 4.5) if thoracic or plan.level == Level.L5 else (4.4, 2.8)
    solid = capsule(side, at.posterior, at.up, start, end, radii)
    for fused in plan.fused:
        solid = union(solid, _sacral_wing(plan, at, fused), 4.0)
    return solid


def _sacral_wing(plan: VertebraPlan, at: LocalAxes, side: int) -> Floats:
    """Transverse process of a sacralised L5: broad, fused with the ala below (Castellvi III)."""
    width, depth, height = plan.size_mm
    return capsule(
        at.left * np.float32(side),
        at.posterior,
        at.up,
        (width * 0.36, depth / 2 + 6, height * 0.05),
        (width * 0.36 + 17, depth / 2 + 3, -height * 0.75),
        (7.5, 12.0),
    )


def _spinous(plan: VertebraPlan, at: LocalAxes) -> Floats:
    _, _, height = plan.size_mm
    root = canal_back(plan) + 3
    # Thoracic: long and inclined downwards; lumbar: short and horizontal; stretch < 1: tall.
    if plan.level <= Level.T10:
        length, drop, stretch = 26.0, 20.0, 0.62
    elif plan.level <= Level.T12:
        length, drop, stretch = 25.0, 9.0, 0.50
    elif plan.level == Level.L5:
        length, drop, stretch = 20.0, 4.0, 0.42
    else:
        length, drop, stretch = 26.0, 7.0, 0.44
    length, drop = length * plan.form.spinous, drop * plan.form.spinous_drop
    return capsule(
        at.left,
        at.posterior,
        at.up * np.float32(stretch),
        (0.0, root, stretch * -0.38 * height),
        (0.0, root + length, stretch * (-0.38 * height - drop)),
        (3.0, 3.8),
    )


def vertebra_shape(plan: VertebraPlan) -> Shape:
    """Return the shape of the whole vertebra."""

    def distance(x: Floats, y: Floats, z: Floats) -> Floats:
        at = local_axes(plan, x, y, z)
        return union(body_distance(plan, at), arch_distance(plan, at), 2.0)

    # From the tip of a thoracic spinous process to the upper facets.
    behind = max(65.0, canal_back(plan) + 8 + 26 * plan.form.spinous)
    aside = max(48.0, plan.size_mm[0] * 0.33 + 5 + 26 * plan.form.transverse)
    low = -max(38.0, 0.38 * plan.size_mm[2] + 8 + 20 * plan.form.spinous_drop)
    bounds = _box(plan, behind=behind, aside=aside, along=(low, 28.0))
    return Shape(distance=distance, bounds=bounds, step_mm=STEP_MM)


def body_shape(plan: VertebraPlan) -> Shape:
    """Return the shape of the body alone; the pedicles begin at its end."""
    half = plan.size_mm[2] / 2 + 4

    def distance(x: Floats, y: Floats, z: Floats) -> Floats:
        return body_distance(plan, local_axes(plan, x, y, z))

    bounds = _box(plan, behind=20.0, aside=32.0, along=(-half, half))
    return Shape(distance=distance, bounds=bounds, step_mm=STEP_MM)


def disc_shape(plan: VertebraPlan) -> Shape:
    """Return the shape of the disc below a vertebra and of the end plates it touches."""
    width, depth, height = plan.size_mm

    def distance(x: Floats, y: Floats, z: Floats) -> Floats:
        at = local_axes(plan, x, y, z)
        side = superellipse(
            at.left, at.posterior, (width / 2 + 0.5, depth / 2 - 0.5), plan.form.body_exponent
        )
        middle = at.up + np.float32(height / 2 + plan.disc_below_mm / 2)
        slab = np.abs(middle) - np.float32(plan.disc_below_mm / 2 + plan.disc_overlap_mm)
        return intersection(side, slab, 3.0)

    reach = plan.disc_overlap_mm + 1
    low = -height / 2 - plan.disc_below_mm - reach
    bounds = _box(plan, behind=25.0, aside=30.0, along=(low, -height / 2 + reach))
    return Shape(distance=distance, bounds=bounds, step_mm=STEP_MM)


def shell_depth(plan: VertebraPlan, patch: Patch, cortex: float = 1.0) -> Floats:
    """Thickness of the shell: thin at the body, thick in the arch; ``cortex`` scales it."""
    _, depth, height = plan.size_mm
    at = local_axes(plan, patch.x, patch.y, patch.z)
    in_arch = np.clip((at.posterior - np.float32(depth / 2 - 1)) / 5, 0, 1)
    on_end = np.clip((np.abs(at.up) - np.float32(height / 2 - 4)) / 2, 0, 1)
    body = np.float32(0.5) + np.float32(0.2) * on_end
    return np.asarray(np.float32(cortex) * (body + in_arch * (np.float32(0.9) - body)))


def canal_bounds(plan: VertebraPlan, reach_mm: float) -> Bounds:
    """Box around the canal from ``reach_mm`` below to above the middle of the body."""
    return _box(
        plan,
        behind=canal_back(plan) + 1,
        aside=canal_half_mm(plan)[0] + 1,
        along=(-reach_mm, reach_mm),
    )


def _box(plan: VertebraPlan, *, behind: float, aside: float, along: tuple[float, float]) -> Bounds:
    return local_box(plan, (-aside, aside), (-plan.size_mm[1] / 2, behind), along)


def local_box(
    plan: VertebraPlan,
    left: tuple[float, float],
    posterior: tuple[float, float],
    up: tuple[float, float],
) -> Bounds:
    """Box in patient coordinates around a box in the axes of a vertebra."""
    corners = np.array([plan.lps(s, p, u) for s in left for p in posterior for u in up])
    return enclosing(corners, 0.0)


def body_heights_mm(plan: VertebraPlan) -> tuple[float, float, float]:
    """Return anterior, middle and posterior height of the body in its middle plane.

    Source: Genant et al. 1993, near the edges. The back wall is concave, so the posterior height is
    measured slightly further inside.
    """
    height = plan.size_mm[2]
    step = 0.05
    up = np.arange(-height, height, step, dtype=np.float32)
    places = np.array(heights_at_mm(plan), np.float32)
    at = LocalAxes(left=np.zeros((1, 3), np.float32), posterior=places[None, :], up=up[:, None])
    inside = (body_distance(plan, at) < 0).sum(axis=0) * step
    return float(inside[0]), float(inside[1]), float(inside[2])


def heights_at_mm(plan: VertebraPlan) -> tuple[float, float, float]:
    """Positions of the three heights, mm behind the middle."""
    depth = plan.size_mm[1]
    return FRONT_AT * depth, 0.0, depth / 2 - BACK_INSIDE_MM


def body_centroid_lps_mm(plan: VertebraPlan) -> NDArray[np.float64]:
    """Return the centroid of the vertebral body without the arch."""
    width, depth, height = (s / 2 + 4 for s in plan.size_mm)
    left, posterior, up = (
        np.arange(-half, half + 0.5, 1.0, dtype=np.float32) for half in (width, depth, height)
    )
    at = LocalAxes(
        left=left[None, None, :], posterior=posterior[None, :, None], up=up[:, None, None]
    )
    inside = np.argwhere(body_distance(plan, at) < 0)
    middle = inside.mean(axis=0)
    return plan.lps(left[0] + middle[2], posterior[0] + middle[1], up[0] + middle[0])
