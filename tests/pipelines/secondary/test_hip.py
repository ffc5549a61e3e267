"""Bone status of the hips: classes only where outline, scan and patient allow them."""

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from models.forest import forest_model
from pipelines.contract.anatomy import Side
from pipelines.contract.findings import Abstained, Measured
from pipelines.contract.job import Job
from pipelines.contract.reasons import Reason
from pipelines.errors import GeometryMismatch, UnreadablePixels
from pipelines.gates.all_gates import Quality, check_header
from pipelines.gates.concern import Concern, Reach
from pipelines.outline.proximal_femur import ProximalFemur
from pipelines.radiomics.extract import extract_features
from pipelines.radiomics.region import ScalarImage
from pipelines.radiomics.settings import feature_settings
from pipelines.read.volume import CtVolume
from pipelines.secondary.hip import (
    CLASSES,
    EXPERIMENTAL,
    FOREST,
    class_shares,
    report_hips,
    segment_label,
    settings_for,
)
from pipelines.space.coordinates import Geometry
from tests.pipelines.hips import bone_of, located, pelvis
from training.cohort.scan.as_ct_volume import NO_HEADER

HEADER = replace(
    NO_HEADER,
    kvp=120.0,
    convolution_kernel="STANDARD",
    slice_thickness_mm=2.0,
    patient_age_years=71.0,
    patient_sex="F",
)


JOB = Job(
    key="hips",
    study_instance_uid="2.25.1",
    series_instance_uid="2.25.2",
    instances=(),
    output_folder="",
    model_set="",
)


class _Examined:
    """The part of an examination that `report_hips` reads."""

    def __init__(self, ct, found, *reasons):
        self.job = JOB
        self.ct = ct
        self.localization = found
        flags = tuple(Concern(reason=one, reach=Reach.FLAG) for one in reasons)
        self.quality = Quality(concerns=check_header(ct).concerns + flags)


def report(*, header=HEADER, reasons=(), **kinds):
    ct, _ = pelvis(header=header, **{"spacing_mm": 2.0, **kinds})
    return report_hips(cast(Any, _Examined(ct, located(ct), *reasons)), bone_of)


def numbers(group):
    return {one.name: one.value for one in group.quantities}


def block(shape=(40, 40, 40), spacing=(1.0, 1.0, 1.0), seed=0):
    """A CT of noise with a block of bone in it, and that block as a femur."""
    draws = np.random.default_rng(seed)
    hu = draws.normal(200, 60, shape).astype(np.float32)
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[::-1] * spacing
    geometry = Geometry(affine=affine, shape=shape, frame_of_reference_uid=None)
    box = tuple(slice(8, size - 8) for size in shape)
    mask = np.ones(tuple(size - 16 for size in shape), bool)
    femur = ProximalFemur(
        side=Side.LEFT,
        box=(box[0], box[1], box[2]),
        mask=mask,
        volume_mm3=float(mask.sum()),
        head_centre_lps_mm=(0.0, 0.0, 0.0),
        cut_lps_mm=0.0,
        trochanter_seen=True,
        agreement=1.0,
    )
    return CtVolume(hu=hu, geometry=geometry, frames=(), header=HEADER), femur


def test_a_scan_without_hips_has_one_reason_and_no_group():
    result = report(sides=())
    assert result.groups == ()
    assert result.reasons == (Reason.HIP_NOT_COVERED,)
    assert result.masks == ()


def test_both_hips_have_volume_attenuation_and_a_segment():
    """600 HU were painted; a uniform block is unlike the training features, so no class is reported."""
    result = report()
    assert [group.site for group in result.groups] == [Side.LEFT, Side.RIGHT]
    for group, mask in zip(result.groups, result.masks, strict=True):
        found = numbers(group)
        assert isinstance(found["hip_attenuation"], Measured)
        assert found["hip_attenuation"].value == pytest.approx(600, abs=30)
        volume = found["hip_volume"]
        assert isinstance(volume, Measured)
        assert volume.value == pytest.approx(mask.mask.sum() * 8.0)
        assert group.segment == mask.label == segment_label(mask.site)
        assert group.sentences == (EXPERIMENTAL,)
    assert {one.name for one in result.models} == {"hips_3mm", "femur_1mm", FOREST}


@pytest.mark.parametrize(
    ("change", "flag", "code"),
    [
        ({"slice_thickness_mm": 2.5}, None, Reason.SLICES_TOO_THICK_FOR_TEXTURE),
        ({"convolution_kernel": "BONE"}, None, Reason.SHARP_KERNEL),
        ({}, Reason.GANTRY_TILT, Reason.GANTRY_TILT),
        ({"kvp": None}, None, Reason.KVP_MISSING),
        ({"kvp": 100.0}, None, Reason.KVP_NOT_120),
        ({"patient_age_years": None}, None, Reason.AGE_OR_SEX_UNKNOWN),
        ({"patient_age_years": 49.0}, None, Reason.NOT_IN_SCOPE),
    ],
)
def test_out_of_scope_withholds_the_class_alone(change, flag, code):
    result = report(sides=(1,), header=replace(HEADER, **change), reasons=(flag,) if flag else ())
    left = numbers(result.groups[0])
    assert isinstance(left["hip_volume"], Measured)
    assert all(left[f"hip_{name}"] == Abstained(reason=code) for name in CLASSES)
    assert result.groups[0].statements[0].value == Abstained(reason=code)
    assert code in result.reasons


def test_a_withheld_side_has_its_code_and_no_number():
    """One hip is in view; every value of the other has the reason."""
    result = report(sides=(-1,))
    left, right = result.groups
    missing = Abstained(reason=Reason.HIP_NOT_COVERED)
    assert {one.value for one in (*left.quantities, *left.statements)} == {missing}
    assert isinstance(numbers(right)["hip_volume"], Measured)
    assert [mask.site for mask in result.masks] == [Side.RIGHT]


def test_features_unlike_the_training_cases_have_no_class():
    """The features of a block of noise lie outside training."""
    assert class_shares(*block()) == Abstained(reason=Reason.FEATURE_OUTSIDE_TRAINING)


def test_the_few_features_of_the_forest_are_those_of_the_whole_extraction():
    ct, femur = block()
    image = ScalarImage(values=ct.hu, spacing_mm=ct.geometry.spacing_mm)
    mask = np.zeros(ct.hu.shape, bool)
    mask[femur.box] = femur.mask
    names = forest_model(FOREST).features
    (few,) = extract_features(image, [mask], settings_for(names))
    (all_of_them,) = extract_features(image, [mask], feature_settings("study3"))
    assert not isinstance(few, Abstained)
    assert not isinstance(all_of_them, Abstained)
    assert len(few.values) < len(all_of_them.values)
    for name in names:
        assert few.values[name] == pytest.approx(all_of_them.values[name], rel=1e-12)


def test_the_mean_of_the_training_cases_is_within_reach_of_the_shipped_forest():
    """The mean of the training cases is within reach, a distant case is not."""
    forest = forest_model(FOREST)
    reach = forest.reach
    assert reach is not None
    middle = forest.centre + reach.middle * forest.scale
    values = dict(zip(forest.features, middle, strict=True))
    assert forest.is_like_training(values)
    away = {
        name: value + 20 * s for (name, value), s in zip(values.items(), forest.scale, strict=True)
    }
    assert not forest.is_like_training(away)
    assert sum(forest.probabilities(values).values()) == pytest.approx(1)
    assert forest.classes == CLASSES


@pytest.mark.parametrize(
    ("mask", "spacing", "code"),
    [
        ("empty", (1.0, 1.0, 1.0), Reason.ROI_TOO_SMALL),
        ("one voxel", (1.0, 1.0, 1.0), Reason.ROI_TOO_SMALL),
        ("whole", (5.0, 1.0, 1.0), Reason.TOO_COARSE),
        ("two parts", (1.0, 1.0, 1.0), Reason.ROI_FRAGMENTED),
    ],
)
def test_a_mask_without_features_abstains(mask, spacing, code):
    ct, femur = block(spacing=spacing)
    kept = femur.mask.copy()
    if mask != "whole":
        kept[:] = False
    if mask == "one voxel":
        kept[4, 4, 4] = True
    if mask == "two parts":
        kept[:8], kept[12:] = True, True
    assert class_shares(ct, replace(femur, mask=kept)) == Abstained(reason=code)


def test_a_mask_outside_the_image_is_an_error():
    ct, femur = block()
    outside = tuple(slice(part.start + 30, part.stop + 30) for part in femur.box)
    with pytest.raises(GeometryMismatch):
        class_shares(ct, replace(femur, box=outside))


def test_values_that_are_no_numbers_are_an_error():
    ct, femur = block()
    hu = ct.hu.copy()
    hu[20, 20, 20] = np.nan
    with pytest.raises(UnreadablePixels):
        class_shares(replace(ct, hu=hu), femur)
