"""CTs with femora of known shape alone, and the output of networks for them."""

import numpy as np

from pipelines.locate.localize import Localization
from pipelines.read.volume import CtVolume
from pipelines.space.coordinates import Geometry, canonical_grid
from pipelines.space.resample import resample_to_canonical
from training.cohort.body.femur import femur_shape, plan_femur
from training.cohort.body.plan import plan_body
from training.cohort.people.subject import draw_subject
from training.cohort.scan.as_ct_volume import NO_HEADER

SPACING_MM = 2.5
BONE_HU, TISSUE_HU = 600.0, 0.0
PLAN = plan_body(draw_subject(4))
FEMUR = plan_femur(PLAN)
TROCHANTER_MM = FEMUR.shaft_start[2] - 26.0 * FEMUR.scale
"""Middle of the lesser trochanter of this patient (training.cohort.body.femur)."""


def pelvis(
    *,
    sides=(1, -1),
    below_mm=60.0,
    flip=(1, 1, 1),
    metal=False,
    scale=(1.0, 1.0),
    spacing_mm=SPACING_MM,
    header=NO_HEADER,
):
    """A CT with femora alone, and the truth; ``flip`` turns the axes of the array."""
    low = np.array([-150.0, -70.0, TROCHANTER_MM - below_mm])
    high = np.array([150.0, 60.0, FEMUR.head[2] + 45])
    z, y, x = (np.arange(low[k], high[k], spacing_mm, dtype=np.float32) for k in (2, 1, 0))
    grid = z[:, None, None], y[None, :, None], x[None, None, :]
    bones = {}
    for side, size in zip(sides, scale, strict=False):
        away = [
            (c - h * s) * size + h * s
            for c, h, s in zip(grid[::-1], FEMUR.head, (side, 1, 1), strict=True)
        ]
        bones[side] = femur_shape(FEMUR, side=side).distance(*away) < 0
    hu = np.full((len(z), len(y), len(x)), TISSUE_HU, np.float32)
    for bone in bones.values():
        hu[bone] = BONE_HU
        if metal:
            hu[np.roll(bone, 0) & (grid[0] < FEMUR.head[2] - 20)] = 3000.0
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[::-1] * spacing_mm
    affine[:3, 3] = low
    for axis, way in enumerate(flip):
        if way < 0:
            affine[:3, 3] += affine[:3, axis] * (hu.shape[axis] - 1)
            affine[:3, axis] *= -1
            hu = np.flip(hu, axis)
            bones = {side: np.flip(bone, axis) for side, bone in bones.items()}
    geometry = Geometry(affine=affine, shape=hu.shape, frame_of_reference_uid=None)
    return CtVolume(hu=np.ascontiguousarray(hu), geometry=geometry, frames=(), header=header), bones


def located(ct, *, sacrum_x_mm=0.0):
    """Output of the 3 mm network: the bones, and a sacrum in the midline."""
    grid = canonical_grid(ct.geometry, 3.0)
    bone = (ct.hu > BONE_HU / 2).astype(np.float32)
    femora = resample_to_canonical(bone, ct.geometry, grid, outside=0.0)
    x = grid.origin_lps_mm[0] + 3.0 * np.arange(grid.shape[2])
    sacrum = np.zeros(grid.shape, np.float32)
    sacrum[-12:, :, np.abs(x - sacrum_x_mm) < 20] = 1.0
    return Localization(
        vertebrae=(),
        presumed=True,
        unnamed=(),
        grid=grid,
        body_probability=np.zeros(grid.shape, np.float32),
        sacrum_probability=sacrum,
        femur_probability=femora,
    )


def bone_of(hu):
    """A network that predicts all bone of these CTs."""
    return (hu > BONE_HU / 2).astype(np.float32)
