"""Lesions inside a vertebra: impacted trabeculae, node sclerosis, haemangioma, metastases.

Each is a shape and a function from the HU inside it to the HU of the lesion.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from training.cohort.body.fracture import NODE_PLACE, NODE_RADIUS_MM
from training.cohort.body.plan import VertebraPlan
from training.cohort.body.vertebra import (
    body_distance,
    body_shape,
    endplate_depths,
    local_axes,
    local_box,
)
from training.cohort.paint.fields import smooth_field
from training.cohort.paint.grid import Floats
from training.cohort.paint.raster import Patch, Shape
from training.cohort.paint.sdf import ellipsoid, intersection

Altered: TypeAlias = Callable[[Patch, Floats], Floats]
"""Function from a patch and its HU to the HU of the lesion."""

IMPACTION_MM = 2.5, 2.6
"""Middle and spread of the impacted band below the end plate."""

NODE_RIM_HU = 220.0
HAEMANGIOMA_FAT_HU, HAEMANGIOMA_TRABECULA_HU = -35.0, 420.0
COLUMN_SPACING_MM = 3.8
LYTIC_HU = 48.0
BLASTIC_HU = 620.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesion:
    """A part of a vertebra that differs from healthy bone."""

    name: str
    shape: Shape
    altered: Altered


def lesions(vertebra: VertebraPlan, rng: Callable[[str], np.random.Generator]) -> list[Lesion]:
    """Return all lesions of a vertebra; ``rng`` returns the random generator of a role."""
    found = vertebra.findings
    made = []
    if found.fracture:
        made.append(_impaction(vertebra))
    if found.schmorl_mm:
        made.append(_node_rim(vertebra))
    if found.haemangioma_mm:
        made.append(_haemangioma(vertebra, rng(f"haemangioma {vertebra.name}")))
    if found.metastasis:
        made.append(_metastasis(vertebra, rng(f"metastasis {vertebra.name}")))
    return made


def _impaction(vertebra: VertebraPlan) -> Lesion:
    """Band of compacted trabeculae below the broken end plates."""
    found = vertebra.findings
    middle, spread = IMPACTION_MM

    def altered(patch: Patch, hu: Floats) -> Floats:
        at = local_axes(vertebra, patch.x, patch.y, patch.z)
        upper, lower = endplate_depths(vertebra, at)
        depth = upper if found.fracture == "wedge" else np.minimum(upper, lower)
        front = np.clip(0.75 - at.posterior / np.float32(vertebra.size_mm[1]), 0.25, 1)
        share = front if found.fracture == "wedge" else np.float32(1)
        band = np.exp(-(((depth - np.float32(middle)) / np.float32(spread)) ** 2))
        return np.asarray(hu + np.float32(found.impaction_hu) * band * share)

    return Lesion(name="impaction", shape=body_shape(vertebra), altered=altered)


def _node_rim(vertebra: VertebraPlan) -> Lesion:
    """Sclerotic rim around a Schmorl node in the lower end plate."""
    width, depth, height = vertebra.size_mm
    left, behind = NODE_PLACE[0] * width, NODE_PLACE[1] * depth
    reach = NODE_RADIUS_MM * 2.2

    def altered(patch: Patch, hu: Floats) -> Floats:
        at = local_axes(vertebra, patch.x, patch.y, patch.z)
        _, above = endplate_depths(vertebra, at)
        away = np.hypot(at.left - np.float32(left), at.posterior - np.float32(behind))
        near = np.clip(1.4 - away / np.float32(NODE_RADIUS_MM * 1.5), 0, 1)
        return np.asarray(hu + np.float32(NODE_RIM_HU) * near * np.exp(-((above / 2.2) ** 2)))

    def distance(x: Floats, y: Floats, z: Floats) -> Floats:
        return body_distance(vertebra, local_axes(vertebra, x, y, z))

    box = local_box(
        vertebra,
        (left - reach, left + reach),
        (behind - reach, behind + reach),
        (-height / 2 - 2, -height / 2 + vertebra.findings.schmorl_mm + 8),
    )
    return Lesion(name="node", shape=Shape(distance=distance, bounds=box), altered=altered)


def _within_body(
    vertebra: VertebraPlan, centre: tuple[float, float, float], radius: float
) -> Shape:
    """Ball inside the shell of a body."""

    def distance(x: Floats, y: Floats, z: Floats) -> Floats:
        at = local_axes(vertebra, x, y, z)
        ball = ellipsoid(at.left, at.posterior, at.up, centre, (radius, radius, radius * 1.15))
        return intersection(ball, body_distance(vertebra, at) + np.float32(0.7), 1.0)

    sides = [(c - radius * 1.2, c + radius * 1.2) for c in centre]
    return Shape(distance=distance, bounds=local_box(vertebra, sides[0], sides[1], sides[2]))


def _haemangioma(vertebra: VertebraPlan, rng: np.random.Generator) -> Lesion:
    """Fat between few thick vertical trabeculae: dots in axial, stripes in sagittal planes."""
    radius = vertebra.findings.haemangioma_mm
    width, depth, _ = vertebra.size_mm
    centre = (
        float(rng.uniform(-0.15, 0.15) * width),
        float(rng.uniform(-0.1, 0.1) * depth),
        0.0,
    )
    shift = rng.uniform(0, COLUMN_SPACING_MM, 2).astype(np.float32)

    def altered(patch: Patch, hu: Floats) -> Floats:
        at = local_axes(vertebra, patch.x, patch.y, patch.z)
        bend = np.float32(0.8) * np.sin(at.up / 5)
        # Columns on a triangular lattice: the sum of three waves has one peak per cell.
        wave = np.float32(2 * np.pi / (COLUMN_SPACING_MM * 0.866))
        u = (at.left + shift[0] + bend) * wave
        v = (at.posterior + shift[1]) * wave
        half, tall = np.float32(0.5), np.float32(3**0.5 / 2)
        sum_ = np.cos(u) + np.cos(-half * u + tall * v) + np.cos(-half * u - tall * v)
        column = np.clip((sum_ - np.float32(1.15)) / np.float32(1.2), 0, 1)
        rise = np.float32(HAEMANGIOMA_TRABECULA_HU - HAEMANGIOMA_FAT_HU)
        return np.asarray(np.float32(HAEMANGIOMA_FAT_HU) + column * rise + 0 * hu)

    return Lesion(name="haemangioma", shape=_within_body(vertebra, centre, radius), altered=altered)


def _metastasis(vertebra: VertebraPlan, rng: np.random.Generator) -> Lesion:
    """Soft tissue that destroys bone and cortex, or a cloud of dense bone."""
    radius = vertebra.findings.metastasis_mm
    width, depth, height = vertebra.size_mm
    centre = (
        float(rng.choice([-1, 1]) * rng.uniform(0.05, 0.25) * width),
        float(rng.uniform(-0.05, 0.3) * depth),
        float(rng.uniform(-0.15, 0.15) * height),
    )
    radii = radius * rng.uniform(0.85, 1.15, 3)
    sides = [(c - 1.6 * radius, c + 1.6 * radius) for c in centre]
    box = local_box(vertebra, sides[0], sides[1], sides[2])
    bumps = smooth_field(rng, 5.0)
    lytic = vertebra.findings.metastasis == "lytic"

    def distance(x: Floats, y: Floats, z: Floats) -> Floats:
        at = local_axes(vertebra, x, y, z)
        solid = ellipsoid(at.left, at.posterior, at.up, centre, radii)
        solid = solid + np.float32(0.16 * radius) * bumps.at(x, y, z)
        # Lysis destroys the cortex; blastic bone stays inside it.
        limit = body_distance(vertebra, at) - np.float32(0.8 if lytic else -0.3)
        return np.asarray(np.maximum(solid, limit))

    def altered(patch: Patch, hu: Floats) -> Floats:
        grain = bumps.at(patch.x, patch.y, patch.z)
        if lytic:
            return np.asarray(np.float32(LYTIC_HU) + 6 * grain)
        cloud = np.clip(-patch.distance / np.float32(0.5 * radius), 0.2, 1)
        return np.asarray(hu + cloud * (np.float32(BLASTIC_HU) + 110 * grain - hu))

    return Lesion(name="metastasis", shape=Shape(distance=distance, bounds=box), altered=altered)
