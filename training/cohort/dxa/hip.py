"""Simulate DXA of one proximal femur, with the leg rotated inwards by its anteversion.

The whole patient is rotated instead of the leg. Head, neck and shaft thus lie as in a positioned
scan. Only the acetabulum, which is in no region, is projected slightly from the side.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter

from training.cohort.body.anatomy import LABEL_FEMUR, LABEL_HIP_BONE
from training.cohort.body.femur import FemurPlan, plan_femur
from training.cohort.body.plan import plan_body
from training.cohort.dxa.densitometer import (
    PIXEL_MM,
    PRECISION_CV,
    Image,
    Mask,
    Projection,
    Region,
    Shadow,
    areal_image,
    cast_shadow,
    scan_grid,
)
from training.cohort.people.densitometry import NHANES_III
from training.cohort.people.subject import Subject

HALF_WIDTH_MM, HALF_DEPTH_MM = 75.0, 120.0
ABOVE_MM, BELOW_MM = 40.0, 115.0
SOFT_MM: Final = (5, 25)
"""Soft tissue is sampled at these distances from all bones."""
NECK_BOX_MM: Final = 15.0
NECK_BEYOND_HEAD_MM: Final = 3.0
NECK_HALF_WIDTH_MM: Final = 32.0
LESSER_TROCHANTER_BELOW_MM: Final = 39.0
"""Distance of the lower end of the lesser trochanter below the start of the shaft, at scale 1."""
BELOW_TROCHANTER_MM: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HipScan:
    """A scan of one proximal femur.

    Parameters
    ----------
    side
        1 left, -1 right.
    outlines
        ``neck``: a box of 15 mm across the neck, next to the head. ``total``: from the medial
        side of that box to 10 mm below the lesser trochanter.
    """

    side: int
    image: Projection
    outlines: dict[str, Mask]
    neck: Region
    total: Region


def scan_hip(subject: Subject, side: int = 1, *, precision_cv: float = PRECISION_CV) -> HipScan:
    """Simulate a scan of one proximal femur (side 1 left, -1 right)."""
    femur = plan_femur(plan_body(subject))
    x, y, z = femur.head * np.array([side, 1, 1])
    middle = float(x) + side * 22 * femur.scale
    grid = scan_grid(
        (middle - HALF_WIDTH_MM, middle + HALF_WIDTH_MM),
        (float(y) - HALF_DEPTH_MM, float(y) + HALF_DEPTH_MM),
        (float(z) - BELOW_MM, float(z) + ABOVE_MM),
    )
    bones = (LABEL_FEMUR[side], LABEL_HIP_BONE[side])
    turn = side * subject.form.anteversion_deg
    shadow = cast_shadow(subject, grid, labels=bones, turn_deg=turn)
    soft = _soft_tissue(shadow, bones)
    image = areal_image(shadow, soft)
    image = image.less(_baseline(image.abmd_g_cm2, soft))
    outlines = _outlines(image, shadow.labels[LABEL_FEMUR[side]], femur, side)
    errors = subject.rng("dxa hip").normal(1, precision_cv, 2)
    return HipScan(
        side=side,
        image=image,
        outlines=outlines,
        neck=image.region(outlines["neck"], float(errors[0]), NHANES_III.femoral_neck),
        total=image.region(outlines["total"], float(errors[1]), NHANES_III.total_hip),
    )


def _soft_tissue(shadow: Shadow, bones: tuple[int, ...]) -> Mask:
    """Pixels in a band around the bones, inside the body."""
    bone = np.logical_or.reduce([shadow.labels[one] for one in bones])
    near, far = (round(distance / PIXEL_MM) for distance in SOFT_MM)
    band = binary_dilation(bone, iterations=far) & ~binary_dilation(bone, iterations=near)
    return np.asarray(band & (shadow.high > 0.5 * np.median(shadow.high[bone])))


def _baseline(areal: Image, soft: Mask) -> Image:
    """Soft tissue in all pixels: smooth continuation of the band around the bones."""
    weight = gaussian_filter(soft.astype(np.float64), 15.0 / PIXEL_MM)
    values = gaussian_filter(np.where(soft, areal, 0.0), 15.0 / PIXEL_MM)
    return np.asarray(values / np.maximum(weight, 1e-6))


def _outlines(image: Projection, shadow: Mask, femur: FemurPlan, side: int) -> dict[str, Mask]:
    """Neck box and total hip within the projection of the femur."""
    middle = image.x_mm.mean()
    turn = np.arctan2(femur.neck[1], femur.neck[0])
    head_x = middle + (femur.head[0] * side - middle) * np.cos(turn)
    sideways, down = side * float(np.hypot(*femur.neck[:2])), float(femur.neck[2])
    x, z = image.x_mm[None, :] - head_x, image.z_mm[:, None] - femur.head[2]
    along, across = x * sideways + z * down, z * sideways - x * down
    beyond = along >= femur.head_radius + NECK_BEYOND_HEAD_MM * femur.scale
    box = beyond & (along < femur.head_radius + NECK_BEYOND_HEAD_MM * femur.scale + NECK_BOX_MM)
    lowest = femur.shaft_start[2] - LESSER_TROCHANTER_BELOW_MM * femur.scale - BELOW_TROCHANTER_MM
    return {
        "neck": shadow & box & (np.abs(across) < NECK_HALF_WIDTH_MM),
        "total": shadow & beyond & (image.z_mm[:, None] >= lowest),
    }
