"""Shape, cortex and trabecular density of the proximal femur."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.cohort.body.plan import BodyPlan
from training.cohort.paint.grid import Floats
from training.cohort.paint.raster import Bits, Part, Patch, Shape, core_and_shell
from training.cohort.paint.sdf import capsule, ellipsoid, enclosing, union

BELOW_HIP_MM = 230.0
SHAFT_CORTEX_MM = 4.4
LESSER_TROCHANTER_MM = (-17.0, 15.0, -26.0)
"""Its middle relative to the upper end of the shaft of the left femur."""

LESSER_TROCHANTER_RADII_MM = (9.0, 9.0, 13.0)
HEAD_MG_CM3 = 300.0
"""Trabecular density of the head of young women."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FemurPlan:
    """Landmarks of the left femur in LPS mm; the right one mirrors it."""

    head: NDArray[np.float64]
    head_radius: float
    neck: NDArray[np.float64]
    shaft_start: NDArray[np.float64]
    shaft_end: NDArray[np.float64]
    shaft_radius: float
    scale: float


def plan_femur(plan: BodyPlan) -> FemurPlan:
    """Compute the landmarks of the left femur."""
    male, scale = plan.subject.is_male, plan.scale
    form = plan.subject.form
    slope, turn = np.deg2rad(form.ccd_deg - 90), np.deg2rad(form.anteversion_deg)
    neck = np.array([np.cos(slope) * np.cos(turn), np.cos(slope) * np.sin(turn), -np.sin(slope)])
    head = plan.hip_lps_mm
    start = head + neck * (54.0 if male else 48.0) * scale * form.neck_length
    return FemurPlan(
        head=head,
        head_radius=(23.5 if male else 21.2) * scale,
        neck=neck,
        shaft_start=start,
        shaft_end=start + np.array([-14.0, 6.0, -BELOW_HIP_MM]) * scale,
        shaft_radius=(15.0 if male else 13.5) * scale * form.shaft,
        scale=scale,
    )


def femur_shape(femur: FemurPlan, *, side: int) -> Shape:
    """Outline of one femur (side 1 left, -1 right)."""
    scale, start = femur.scale, femur.shaft_start
    greater = start + np.array([5.0, 5.0, 12.0]) * scale
    lesser = start + np.array(LESSER_TROCHANTER_MM) * scale

    def distance(x: Floats, y: Floats, z: Floats) -> Floats:
        x = x * np.float32(side)
        solid = ellipsoid(x, y, z, femur.head, (femur.head_radius,) * 3)
        neck = capsule(x, y, z, femur.head, start, (15.5 * scale, 17.0 * scale))
        solid = union(solid, neck, 6.0)
        radius = femur.shaft_radius
        shaft = capsule(x, y, z, start, femur.shaft_end, (radius * 1.3, radius * 0.95))
        solid = union(solid, shaft, 10.0)
        big = ellipsoid(x, y, z, greater, np.array([13.5, 18.0, 25.0]) * scale)
        small = ellipsoid(x, y, z, lesser, np.array(LESSER_TROCHANTER_RADII_MM) * scale)
        return union(union(solid, big, 8.0), small, 6.0)

    corners = np.array([femur.head, femur.shaft_end, greater]) * np.array([side, 1, 1])
    bounds = enclosing(corners, 34.0 * scale)
    return Shape(distance=distance, bounds=bounds, step_mm=1.6)


def proximal_end_mm(femur: FemurPlan) -> float:
    """Lower end (LPS z) of the lesser trochanter and thus of the proximal femur (study 3)."""
    below = LESSER_TROCHANTER_MM[2] - LESSER_TROCHANTER_RADII_MM[2]
    return float(femur.shaft_start[2] + below * femur.scale)


def femur_parts(femur: FemurPlan, patch: Patch, core: Bits) -> NDArray[np.uint8]:
    """Core and shell of the proximal femur, and the shaft below it."""
    parts = core_and_shell(patch, core)
    below = np.broadcast_to(patch.z < np.float32(proximal_end_mm(femur)), parts.shape)
    return np.where(below, np.uint8(Part.SHAFT), parts)


def cortex_depth(femur: FemurPlan, patch: Patch, side: int, density: float = 1.0) -> Floats:
    """Thickness of the cortex: thin at head and trochanters, thick below the neck and at the shaft.

    Parameters
    ----------
    side
        1 left, -1 right.
    density
        Mineral relative to young women; a lower value makes the cortex thinner.

    Source
    ------
    docs/domain.md 3.3: shaft 4.2 to 5 mm, below the neck 2.5, above it 1.0, elsewhere 0.8.
    """
    along, across = _in_neck(femur, patch, side)
    in_neck = np.clip((along - femur.head_radius + 4) / 6, 0, 1) * np.clip((46 - along) / 10, 0, 1)
    neck = np.clip(1.75 - across * np.float32(0.075), 1.0, 2.5)
    below = np.clip((np.float32(femur.shaft_start[2] - 5) - patch.z) / 40, 0, 1)
    film = np.float32(0.8) + in_neck * (neck - np.float32(0.8))
    return np.asarray(np.float32(density) * (film + below * np.float32(SHAFT_CORTEX_MM - 0.8)))


def _in_neck(femur: FemurPlan, patch: Patch, side: int) -> tuple[Floats, Floats]:
    """Distance from the centre of the head along the neck, and upwards perpendicular to it, mm."""
    dx, dy, dz = (patch.x * np.float32(side) - np.float32(femur.head[0]),
                  patch.y - np.float32(femur.head[1]), patch.z - np.float32(femur.head[2]))  # fmt: skip
    level = np.float32(np.hypot(*femur.neck[:2]))
    outwards = (dx * np.float32(femur.neck[0]) + dy * np.float32(femur.neck[1])) / level
    down = np.float32(femur.neck[2])
    along = outwards * level + dz * down
    return along.astype(np.float32), (dz * level - outwards * down).astype(np.float32)


def core_density(femur: FemurPlan, patch: Patch, side: int) -> Floats:
    """Trabecular density relative to the head: head 1, neck 0.55, trochanter 0.4, marrow cavity 0.

    Source: docs/domain.md 3.3 (head 230, neck 130, trochanter 100 mg/cm3 at the peak).
    """
    x = patch.x * np.float32(side)
    dx, dy, dz = x - femur.head[0], patch.y - femur.head[1], patch.z - femur.head[2]
    along = (dx * femur.neck[0] + dy * femur.neck[1] + dz * femur.neck[2]).astype(np.float32)
    radial = np.sqrt(dx**2 + dy**2 + dz**2).astype(np.float32)
    head = 1 - 0.45 * np.clip((radial - femur.head_radius * 0.7) / 14, 0, 1)
    outside = np.clip((along - 30) / 20, 0, 1)
    below = np.clip((np.float32(femur.shaft_start[2]) - patch.z) / 35, 0, 1)
    return np.asarray((head - 0.15 * outside) * (1 - below), dtype=np.float32)
