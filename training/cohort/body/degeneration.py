"""Shapes of degeneration around vertebral bodies: osteophytes, bridges, ligaments, disc gas.

Every shape belongs to one vertebra and is evaluated in its own box.

Source: docs/domain.md 3.3 (osteophytes, here also "lips", of 0 to 12 mm, 300 to 900 mg hydroxyapatite
per cm3, anterior and lateral); shapes by the figures of Kellgren & Lawrence and of Resnick & Niwayama (DISH); thickness
and extent tuned so that DXA increases as published (docs/domain.md 3.6, ``VALIDATION.md``).
"""

import numpy as np
from numpy.typing import NDArray

from training.cohort.body.plan import VertebraPlan
from training.cohort.body.vertebra import (
    articular_distance,
    canal_back,
    endplate_depths,
    facets,
    local_axes,
    local_box,
)
from training.cohort.paint.fields import Field
from training.cohort.paint.grid import Floats
from training.cohort.paint.raster import Patch, Shape
from training.cohort.paint.sdf import ellipsoid, intersection, superellipse, tubes

LIP_ROOT_MM, LIP_TIP_MM = 2.2, 1.0
"""Radius of a small lip at its root on the rim, and of every lip at its tip."""

STEP_MM = 0.8
LIP_ROOT_PER_MM, LIP_TIP_PER_MM = 0.43, 0.08
"""Increase of the radii of root and tip per mm of length."""
LIP_SPREAD_PER_MM = 0.03
"""Increase of the extent along the rim to either side per mm of length, radians. Lips of 10 mm form
one ledge around the front."""
LIP_CORE_RISE, LIP_CORE_FROM_MM, LIP_CORE_AT_MM = 0.5, 0.5, 2.5
"""Relative density inside a thick lip; depths at which the increase begins and ends."""
LIP_DENSEST_MG_CM3 = 1000.0
LIP_BEHIND_MM = 2.5
"""Distance of the lips from the back of a body, which keeps them out of the canal."""

LIGAMENT_MG_CM3 = 650.0
BRIDGE_MM = (2.8, 4.2)
"""Half thickness of a bridge over a body and over a disc."""

GAS_HU = -850.0
ENDPLATE_SCLEROSIS_HU = 260.0
FACET_MG_CM3 = {1: 320.0, 2: 520.0, 3: 850.0}
"""Minimum mineral density near the surface of the articular processes by grade of sclerosis."""
FACET_INSIDE, FACET_INSIDE_AT_MM = 0.75, 5.0
"""Share of that density inside, and depth from which it applies."""
FACET_VARIATION, FACET_GRAIN_MM = 0.14, 2.2


def osteophyte_shapes(vertebra: VertebraPlan, rng: np.random.Generator) -> list[Shape]:
    """Return the osteophytes of the upper and the lower rim."""
    reach = vertebra.findings.osteophyte_mm
    return [_lip(vertebra, end, _peaks(reach, rng)) for end in (1, -1)]


def osteophyte_mg_cm3(vertebra: VertebraPlan, patch: Patch) -> Floats:
    """Mineral density of an osteophyte: as stated near the surface, higher inside a thick one."""
    depth = -patch.distance - np.float32(LIP_CORE_FROM_MM)
    share = np.clip(depth / np.float32(LIP_CORE_AT_MM - LIP_CORE_FROM_MM), 0, 1)
    stated = np.float32(vertebra.findings.osteophyte_mg_cm3)
    inside = np.minimum(np.float32(1 + LIP_CORE_RISE) * stated, np.float32(LIP_DENSEST_MG_CM3))
    return np.asarray(stated + share * (inside - stated))


def _peaks(reach_mm: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Peaks of a rim: (angle from the front, height, width) at the right, front and left."""
    angles = np.array([-1.0, 0.0, 1.0]) + rng.normal(0, 0.22, 3)
    heights = np.array([1.0, 0.8, 1.0]) * rng.uniform(0.55, 1.0, 3)
    heights /= heights.max()
    return np.column_stack(
        [angles, heights, rng.uniform(0.3, 0.5, 3) + LIP_SPREAD_PER_MM * reach_mm]
    )


def _lip(vertebra: VertebraPlan, end: int, peaks: NDArray[np.float64]) -> Shape:
    width, depth, height = vertebra.size_mm
    found = vertebra.findings
    hook = 0.45 * min(found.osteophyte_mm, vertebra.disc_below_mm + 1.0)

    def distance(x: Floats, y: Floats, z: Floats) -> Floats:
        at = local_axes(vertebra, x, y, z)
        half = (width / 2, depth / 2)
        side = superellipse(at.left, at.posterior, half, vertebra.form.body_exponent)
        beyond = -endplate_depths(vertebra, at)[0 if end > 0 else 1]
        angle = np.arctan2(at.left, -at.posterior)
        share = np.zeros_like(angle)
        for middle, peak, spread in peaks.astype(np.float32):
            share = np.maximum(share, peak * np.exp(-(((angle - middle) / spread) ** 2) / 2))
        reach = np.float32(found.osteophyte_mm) * share
        root = np.float32(LIP_ROOT_MM) + np.float32(LIP_ROOT_PER_MM) * reach
        tip = np.float32(LIP_TIP_MM) + np.float32(LIP_TIP_PER_MM) * reach
        # The root lies inside the rim; without growth the whole lip lies inside.
        out = reach - tip - 3 * np.clip(1 - reach, 0, 1)
        beak = _beak(side, beyond, (out, np.float32(hook) * share - tip), (root, tip))
        return intersection(beak, at.posterior - np.float32(depth / 2 - LIP_BEHIND_MM))

    wide, deep = width / 2 + found.osteophyte_mm + 2, depth / 2 + found.osteophyte_mm + 2
    level = end * (height / 2 - found.height_loss * height / 2)
    thick = LIP_ROOT_MM + LIP_ROOT_PER_MM * found.osteophyte_mm
    along = 5 + 2 * thick + found.height_loss * height / 2
    box = local_box(vertebra, (-wide, wide), (-deep, depth / 2 + 2), (level - along, level + along))
    return Shape(distance=distance, bounds=box, step_mm=STEP_MM)


def _beak(
    out: Floats, along: Floats, tip: tuple[Floats, Floats], radii: tuple[Floats, Floats]
) -> Floats:
    """Tapered rod in the plane across a rim, from 3.2 mm inside it to a variable tip."""
    root, end = radii
    start_out, start_along = np.float32(-3.2), np.float32(-0.5) - root
    way_out, way_along = tip[0] - start_out, tip[1] - start_along
    square = np.maximum(way_out**2 + way_along**2, np.float32(0.01))
    share = ((out - start_out) * way_out + (along - start_along) * way_along) / square
    share = np.clip(share, 0, 1)
    gap = np.hypot(out - start_out - share * way_out, along - start_along - share * way_along)
    return np.asarray(gap - (root + share * (end - root)))


def bridge_shape(vertebra: VertebraPlan, below: VertebraPlan) -> Shape:
    """Ossified anterior longitudinal ligament from the middle of a body to the next one below.

    It covers the right half of the front; the left half beside the aorta stays free.
    """
    thin, thick = BRIDGE_MM
    power = vertebra.form.body_exponent
    paths = []
    for aside in np.linspace(-0.36, 0.10, 8):
        knots = []
        for v, ups in ((vertebra, (0.0, -0.3, -0.52)), (below, (0.52, 0.3, 0.0))):
            width, depth, height = v.size_mm
            front = -depth / 2 * (1 - abs(2 * aside) ** power) ** (1 / power)
            for up, radius in zip(
                ups, (thin, thin, thick) if ups[0] == 0 else (thick, thin, thin), strict=True
            ):
                lift = 0.2 if radius == thin else 1.0
                knots.append((*v.lps(aside * width, front - lift, up * height), radius))
        middle = (np.array(knots[2]) + np.array(knots[3])) / 2
        outward = np.append(-vertebra.axes[1] * 0.8, 0)
        paths.append(np.array([*knots[:3], middle + outward, *knots[3:]]))
    return tubes(paths, 1.0)


def posterior_ligament_shape(vertebra: VertebraPlan) -> Shape:
    """Ossified posterior longitudinal ligament behind a body and the disc below it."""
    _, depth, height = vertebra.size_mm
    low = -height / 2 - vertebra.disc_below_mm
    paths = [
        np.array(
            [
                (*vertebra.lps(aside, depth / 2 - 0.6, up), 1.5)
                for up in (height * 0.45, 0.0, -height / 2, low)
            ]
        )
        for aside in (-3.0, 0.0, 3.0)
    ]
    return tubes(paths, 0.8)


def flava_shape(vertebra: VertebraPlan) -> Shape:
    """Calcified ligamenta flava of both sides at the level of the disc below."""
    _, _, height = vertebra.size_mm
    behind = canal_back(vertebra) - 2.0
    level = -height / 2 - vertebra.disc_below_mm / 2

    def distance(x: Floats, y: Floats, z: Floats) -> Floats:
        at = local_axes(vertebra, x, y, z)
        return ellipsoid(
            np.abs(at.left), at.posterior, at.up, (5.0, behind, level), (4.0, 1.8, 6.0)
        )

    box = local_box(vertebra, (-10, 10), (behind - 3, behind + 3), (level - 7, level + 7))
    return Shape(distance=distance, bounds=box)


def vacuum_shape(vertebra: VertebraPlan, rng: np.random.Generator) -> Shape:
    """Gas cleft in the disc below."""
    width, depth, height = vertebra.size_mm
    middle = -height / 2 - vertebra.disc_below_mm / 2
    aside, behind = rng.uniform(-0.1, 0.1) * width, rng.uniform(-0.1, 0.15) * depth
    radii = (width * rng.uniform(0.2, 0.36), depth * rng.uniform(0.18, 0.3))
    thick = max(1.0, 0.26 * vertebra.disc_below_mm)
    phase = rng.uniform(0, 6)

    def distance(x: Floats, y: Floats, z: Floats) -> Floats:
        at = local_axes(vertebra, x, y, z)
        wave = np.sin(at.left / 3 + np.float32(phase)) * np.sin(at.posterior / 4)
        solid = ellipsoid(at.left, at.posterior, at.up, (aside, behind, middle), (*radii, thick))
        return np.asarray(solid + np.float32(0.5) * wave, np.float32)

    reach = width * 0.5
    box = local_box(vertebra, (-reach, reach), (-depth / 2, depth / 2), (middle - 5, middle + 5))
    return Shape(distance=distance, bounds=box)


def facet_shape(vertebra: VertebraPlan) -> Shape:
    """Articular processes of both sides."""
    upper, lower = facets(vertebra)

    def distance(x: Floats, y: Floats, z: Floats) -> Floats:
        return articular_distance(vertebra, local_axes(vertebra, x, y, z))

    _, depth, height = vertebra.size_mm
    wide, far = (max(p[0][axis] + p[1][axis] for p in (upper, lower)) + 2 for axis in (0, 1))
    box = local_box(vertebra, (-wide, wide), (depth / 2 + 4, far), (-height * 0.62 - 16, height))
    return Shape(distance=distance, bounds=box)


def facet_mg_cm3(vertebra: VertebraPlan, patch: Patch, grain: Field) -> Floats:
    """Minimum mineral density of sclerotic articular processes; mottled, highest near the joint."""
    share = np.clip(-patch.distance / np.float32(FACET_INSIDE_AT_MM), 0, 1)
    mottled = 1 + np.float32(FACET_VARIATION) * grain.at(patch.x, patch.y, patch.z)
    dense = np.float32(FACET_MG_CM3[vertebra.findings.facet_sclerosis])
    return np.asarray(dense * (1 + np.float32(FACET_INSIDE - 1) * share) * mottled)


def endplate_sclerosis_hu(vertebra: VertebraPlan, patch: Patch) -> Floats:
    """HU that dense bands under the end plates add; highest at the loaded front and sides."""
    at = local_axes(vertebra, patch.x, patch.y, patch.z)
    width, depth, _ = vertebra.size_mm
    upper, lower = endplate_depths(vertebra, at)
    band = vertebra.findings.endplate_sclerosis_mm
    near = np.clip(1.25 - np.minimum(upper, lower) / np.float32(band), 0, 1)
    outside = np.hypot(at.left / np.float32(width / 2), (at.posterior / np.float32(depth)) - 0.35)
    return np.asarray(np.float32(ENDPLATE_SCLEROSIS_HU) * near * np.clip(0.4 + 0.7 * outside, 0, 1))
