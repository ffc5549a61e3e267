"""Proximal femora: sides from patient coordinates, head to lesser trochanter, withheld when unsure.

Known shapes of the virtual cohort replace both networks.
"""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.contract.anatomy import Side
from pipelines.contract.reasons import Reason
from pipelines.outline.proximal_femur import (
    ProximalFemur,
    WithheldFemur,
    lesser_trochanter_index,
    segment_femora,
)
from tests.pipelines.hips import FEMUR, TROCHANTER_MM, bone_of, located, pelvis


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def full(ct, femur):
    mask = np.zeros(ct.hu.shape, bool)
    mask[femur.box] = femur.mask
    return mask


@pytest.mark.parametrize("flip", [(1, 1, 1), (1, -1, -1), (-1, 1, -1)], ids=["HFS", "HFP", "FFS"])
def test_each_side_is_found_where_it_lies_in_the_patient(flip):
    """For each patient position and each order of the voxels."""
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
    """The volume of a shaft that the scan cuts is not reported."""
    ct, _ = pelvis(below_mm=-20.0)
    for found in segment_femora(ct, located(ct), bone_of):
        assert isinstance(found, WithheldFemur)
        assert found.reason is Reason.HIP_INCOMPLETE


def test_a_single_hip_is_named_by_the_sacrum():
    """The other side has the reason ``hip_not_covered``."""
    ct, _ = pelvis(sides=(-1,))
    left, right = segment_femora(ct, located(ct), bone_of)
    assert left == WithheldFemur(side=Side.LEFT, reason=Reason.HIP_NOT_COVERED)
    assert isinstance(right, ProximalFemur)


def test_a_femur_in_the_midline_has_no_side():
    """The sacrum lies over one hip, so the side of the femur is uncertain."""
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
    """The fine network outlines only a third of the coarse outline."""
    ct, _ = pelvis()

    def head_only(hu):
        found = bone_of(hu)
        found[:85] = 0
        return found

    for found in segment_femora(ct, located(ct), head_only):
        assert isinstance(found, WithheldFemur)
        assert found.reason in {Reason.FEMUR_UNCERTAIN, Reason.HIP_INCOMPLETE}


def test_a_scan_without_hips_reports_none():
    """Both sides have the reason ``hip_not_covered``."""
    ct, _ = pelvis(sides=())
    for found in segment_femora(ct, located(ct), bone_of):
        assert isinstance(found, WithheldFemur)
        assert found.reason is Reason.HIP_NOT_COVERED


def test_no_trochanter_is_found_in_a_straight_shaft():
    """A cylinder has no protrusion."""
    shaft = np.zeros((110, 40, 40), bool)
    y, x = np.ogrid[:40, :40]
    shaft[:, (y - 20) ** 2 + (x - 20) ** 2 < 140] = True
    assert lesser_trochanter_index(shaft, np.array([100.0, 20.0, 20.0])) is None


def test_a_prosthesis_withholds_its_side_though_no_femur_is_seen():
    """The network predicts only the other hip; metal at the place of the femur is the reason."""
    ct, _ = pelvis(sides=(-1,))
    hu = ct.hu.copy()
    z, y, x = (np.arange(n) * 2.5 + ct.geometry.affine[2 - k, 3] for k, n in enumerate(hu.shape))
    stem = np.ix_(
        np.abs(z - FEMUR.head[2] + 20) < 25,
        np.abs(y - FEMUR.head[1]) < 6,
        np.abs(x - FEMUR.head[0] - 10) < 6,
    )
    hu[stem] = 3071.0
    left, right = segment_femora(replace(ct, hu=hu), located(ct), bone_of)
    assert left == WithheldFemur(side=Side.LEFT, reason=Reason.HIP_METAL)
    assert isinstance(right, ProximalFemur)


def test_metal_of_the_spine_is_no_prosthesis():
    """Screws lie near the midline."""
    ct, _ = pelvis()
    hu = ct.hu.copy()
    middle = hu.shape[2] // 2
    hu[-12:, 20:30, middle - 8 : middle + 8] = 3071.0
    for found in segment_femora(replace(ct, hu=hu), located(ct), bone_of):
        assert isinstance(found, ProximalFemur)


def test_sides_that_cannot_belong_to_one_patient_are_both_withheld():
    """A side an eighth smaller in every direction has two thirds of the volume."""
    ct, _ = pelvis(scale=(1.0, 0.86))
    for found in segment_femora(ct, located(ct), bone_of):
        assert isinstance(found, WithheldFemur)
        assert found.reason is Reason.HIPS_ASYMMETRIC


def test_passes_that_see_two_femora_withhold_that_side_alone():
    """The mirrored pass predicts half of the left femur."""
    ct, _ = pelvis()
    found = located(ct)
    whole = found.femur_probability > 0.5
    half = whole.copy()
    half[::2, :, half.shape[2] // 2 :] = False
    left, right = segment_femora(ct, replace(found, femur_passes=(whole, half)), bone_of)
    assert left == WithheldFemur(side=Side.LEFT, reason=Reason.FEMUR_UNSTABLE)
    assert isinstance(right, ProximalFemur)


def test_a_shape_that_is_no_femur_is_withheld():
    """A column of bone from the head straight down, as a failed outline leaves it."""
    ct, bones = pelvis(sides=(1,))
    hu = ct.hu.copy()
    hu[bones[1]] = 0.0
    z, y, x = np.nonzero(bones[1])
    top = z > z.max() - 16
    hu[:, y[top].min() : y[top].max() + 1, x[top].min() : x[top].max() + 1][: z.max() + 1] = 600.0
    ct = replace(ct, hu=hu)
    left, _ = segment_femora(ct, located(ct), bone_of)
    assert isinstance(left, WithheldFemur)
    assert left.reason in {Reason.FEMUR_IMPLAUSIBLE, Reason.FEMUR_UNCERTAIN}
