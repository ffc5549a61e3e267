"""Proximal femora: sides from patient coordinates, head to lesser trochanter, withheld when unsure.

Known shapes of the virtual cohort stand in for both networks.
"""

import numpy as np
import pytest

from pipelines.anatomy import Side
from pipelines.localize import Localization
from pipelines.proximal_femur import (
    ProximalFemur,
    WithheldFemur,
    lesser_trochanter_index,
    segment_femora,
)
from pipelines.reasons import Reason
from pipelines.spaces import Geometry, canonical_grid, resample_to_canonical
from pipelines.volume import CtVolume
from training.cohort.femur import femur_shape, plan_femur
from training.cohort.plan import plan_body
from training.cohort.subject import draw_subject
from training.evaluate_segmentation import SILENT

SPACING_MM = 2.5
BONE_HU, TISSUE_HU = 600.0, 0.0
PLAN = plan_body(draw_subject(4))
FEMUR = plan_femur(PLAN)
TROCHANTER_MM = FEMUR.shaft_start[2] - 26.0 * FEMUR.scale
"""Middle of the lesser trochanter of this patient (training.cohort.femur)."""


def pelvis(*, sides=(1, -1), below_mm=60.0, flip=(1, 1, 1), metal=False, scale=(1.0, 1.0)):
    """A CT that shows nothing but femora, and the truth; ``flip`` turns the axes of the array."""
    low = np.array([-150.0, -70.0, TROCHANTER_MM - below_mm])
    high = np.array([150.0, 60.0, FEMUR.head[2] + 45])
    z, y, x = (np.arange(low[k], high[k], SPACING_MM, dtype=np.float32) for k in (2, 1, 0))
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
    affine[:3, :3] = np.eye(3)[::-1] * SPACING_MM
    affine[:3, 3] = low
    for axis, way in enumerate(flip):
        if way < 0:
            affine[:3, 3] += affine[:3, axis] * (hu.shape[axis] - 1)
            affine[:3, axis] *= -1
            hu = np.flip(hu, axis)
            bones = {side: np.flip(bone, axis) for side, bone in bones.items()}
    geometry = Geometry(affine=affine, shape=hu.shape, frame_of_reference_uid=None)
    return CtVolume(hu=np.ascontiguousarray(hu), geometry=geometry, frames=(), header=SILENT), bones


def located(ct, *, sacrum_x_mm=0.0):
    """What the 3 mm network would say: the bones, and a sacrum in the midline."""
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
    """A network that knows what bone looks like here."""
    return (hu > BONE_HU / 2).astype(np.float32)


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def full(ct, femur):
    mask = np.zeros(ct.hu.shape, bool)
    mask[femur.box] = femur.mask
    return mask


@pytest.mark.parametrize("flip", [(1, 1, 1), (1, -1, -1), (-1, 1, -1)], ids=["HFS", "HFP", "FFS"])
def test_each_side_is_found_where_it_lies_in_the_patient(flip):
    """However the patient lies, and whatever the order of the voxels."""
    ct, bones = pelvis(flip=flip)
    left, right = segment_femora(ct, located(ct), bone_of)
    z = ct.geometry.affine[2, 0] * np.arange(ct.hu.shape[0]) + ct.geometry.affine[2, 3]
    for found, side in ((left, 1), (right, -1)):
        assert isinstance(found, ProximalFemur)
        truth = bones[side] & (z > found.cut_lps_mm)[:, None, None]
        assert dice(full(ct, found), truth) > 0.93


def test_the_bone_is_cut_at_the_lesser_trochanter():
    """Within a slice of its middle, on both sides."""
    ct, _ = pelvis()
    for found in segment_femora(ct, located(ct), bone_of):
        assert isinstance(found, ProximalFemur)
        assert found.trochanter_seen
        assert found.cut_lps_mm == pytest.approx(TROCHANTER_MM, abs=4.0)


def test_a_scan_that_ends_above_the_trochanter_withholds_the_side():
    """A shaft cut by the scan has no volume to speak of."""
    ct, _ = pelvis(below_mm=-20.0)
    for found in segment_femora(ct, located(ct), bone_of):
        assert isinstance(found, WithheldFemur)
        assert found.reason is Reason.HIP_INCOMPLETE


def test_a_single_hip_is_named_by_the_sacrum():
    """The other side is told to be missing, not guessed."""
    ct, _ = pelvis(sides=(-1,))
    left, right = segment_femora(ct, located(ct), bone_of)
    assert left == WithheldFemur(side=Side.LEFT, reason=Reason.HIP_NOT_COVERED)
    assert isinstance(right, ProximalFemur)


def test_a_femur_in_the_midline_has_no_side():
    """The sacrum lies over the hip: something is wrong with either."""
    ct, _ = pelvis(sides=(1,))
    for found in segment_femora(ct, located(ct, sacrum_x_mm=80.0), bone_of):
        assert isinstance(found, WithheldFemur)
        assert found.reason is Reason.LATERALITY_UNCERTAIN


def test_metal_withholds_the_side():
    """A nail or a prosthesis."""
    ct, _ = pelvis(metal=True)
    for found in segment_femora(ct, located(ct), bone_of):
        assert isinstance(found, WithheldFemur)
        assert found.reason is Reason.HIP_METAL


def test_two_stages_that_disagree_withhold_the_side():
    """The fine network outlines only a third of what the coarse one sees."""
    ct, _ = pelvis()

    def head_only(hu):
        found = bone_of(hu)
        found[:85] = 0
        return found

    for found in segment_femora(ct, located(ct), head_only):
        assert isinstance(found, WithheldFemur)
        assert found.reason in {Reason.FEMUR_UNCERTAIN, Reason.HIP_INCOMPLETE}


def test_a_scan_without_hips_reports_none():
    """Nothing to find, nothing to say but that."""
    ct, _ = pelvis(sides=())
    for found in segment_femora(ct, located(ct), bone_of):
        assert isinstance(found, WithheldFemur)
        assert found.reason is Reason.HIP_NOT_COVERED


def test_no_trochanter_is_found_in_a_straight_shaft():
    """A cylinder has no swelling."""
    shaft = np.zeros((110, 40, 40), bool)
    y, x = np.ogrid[:40, :40]
    shaft[:, (y - 20) ** 2 + (x - 20) ** 2 < 140] = True
    assert lesser_trochanter_index(shaft, np.array([100.0, 20.0, 20.0])) is None
