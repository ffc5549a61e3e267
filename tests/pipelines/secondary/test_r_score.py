"""R-score of vertebrae: scope, contributions, and the wording of the report."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.coefficients import LinearModel, Term, linear_model
from pipelines.contract.anatomy import Level
from pipelines.contract.calibration import GENERIC
from pipelines.contract.findings import Abstained, ContrastPhase, Measured
from pipelines.contract.reasons import Reason
from pipelines.contract.secondary_findings import MeasurementGroup, Pipeline, PipelineResult
from pipelines.density.attenuation_to_density import DensityPath
from pipelines.errors import UnreadablePixels
from pipelines.gates.all_gates import Quality
from pipelines.gates.concern import Concern, Reach
from pipelines.lumbar.examination import Examination
from pipelines.lumbar.vertebral_features import LevelFeatures
from pipelines.radiomics.extract import RadiomicFeatures
from pipelines.radiomics.settings import feature_settings
from pipelines.radiomics.units import ORIGINAL, feature_unit
from pipelines.read.acquisition import AcquisitionHeader
from pipelines.read.volume import CtVolume
from pipelines.reporting import codes
from pipelines.run import Networks, process
from pipelines.secondary.r_score import (
    FARTHEST_SD,
    MODEL,
    SCOPE,
    level_group,
    report_r_score,
    score_level,
)
from pipelines.secondary.scope import out_of_scope
from pipelines.space.coordinates import Geometry
from tests.peers.validator import dciodvfy_errors
from tests.pipelines.reporting.test_radiomics import numbers_of
from tests.pipelines.reporting.test_seg import Measured as MeasuredStack
from tests.pipelines.secondary.test_registry import groups_of
from tests.pipelines.stacks import (
    Stack,
    known_localization,
    known_segmentation,
    read,
    write_stack,
)

WOMAN = AcquisitionHeader(
    kvp=120,
    convolution_kernel="STANDARD",
    slice_thickness_mm=1.25,
    contrast_agent=None,
    patient_age_years=63,
    patient_sex="F",
    patient_position="HFS",
    manufacturer=None,
    model_name=None,
)
UNENHANCED = Quality(concerns=(), phase=ContrastPhase.NONE)
NAMES = ("original_firstorder_10Percentile", "original_shape_Elongation", "original_glcm_Imc1")
WIDE = LinearModel(
    outcome="test",
    link="identity",
    intercept=0.25,
    terms=tuple(
        Term(name=name, unit=feature_unit(name), coefficient=weight, centre=centre, scale=scale)
        for name, weight, centre, scale in zip(
            NAMES, (-0.8, 0.3, 0.1), (120.0, 0.8, -0.3), (100.0, 1.0, 1.0), strict=True
        )
    ),
)
"""Wide enough for the blocks of a stack, which lie outside the training of the shipped formula."""


def scan(slice_mm: float = 1.25, **header: Any) -> CtVolume:
    hu = np.zeros((4, 4, 4), np.float32)
    affine = np.diag([slice_mm, 0.8, 0.8, 1.0])
    return CtVolume(
        hu=hu,
        geometry=Geometry(affine=affine, shape=(4, 4, 4), frame_of_reference_uid="1.2"),
        frames=(),
        header=replace(WOMAN, **header),
    )


def flagged(reason: Reason) -> Quality:
    return replace(UNENHANCED, concerns=(Concern(reason=reason, reach=Reach.FLAG),))


def why_not(ct: CtVolume, quality: Quality) -> Reason | None:
    return next(iter(out_of_scope(SCOPE, ct, quality)), None)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"patient_sex": "M"}, Reason.R_SCORE_NOT_IN_SCOPE),
        ({"patient_sex": None}, Reason.AGE_OR_SEX_UNKNOWN),
        ({"patient_sex": "O"}, Reason.AGE_OR_SEX_UNKNOWN),
        ({"patient_age_years": None}, Reason.AGE_OR_SEX_UNKNOWN),
        ({"patient_age_years": 49.9}, Reason.R_SCORE_NOT_IN_SCOPE),
        ({"patient_age_years": 91}, Reason.R_SCORE_NOT_IN_SCOPE),
        ({"kvp": None}, Reason.KVP_MISSING),
        ({"kvp": 100}, Reason.KVP_NOT_120),
        ({"convolution_kernel": None}, Reason.KERNEL_UNKNOWN),
        ({"slice_thickness_mm": 2.5}, Reason.SLICES_TOO_THICK_FOR_TEXTURE),
        ({}, None),
        ({"patient_age_years": 50, "slice_thickness_mm": 2.0}, None),
        ({"slice_thickness_mm": None}, None),
    ],
)
def test_scope_by_header(header: dict[str, Any], reason: Reason | None) -> None:
    """Women of 50 to 90 years, scanned as in training; a missing value has no default."""
    assert why_not(scan(**header), UNENHANCED) is reason


@pytest.mark.parametrize(
    ("quality", "reason"),
    [
        (flagged(Reason.SHARP_KERNEL), Reason.SHARP_KERNEL),
        (flagged(Reason.GANTRY_TILT), Reason.GANTRY_TILT),
        (Quality(concerns=(), phase=ContrastPhase.PORTAL_VENOUS), Reason.CONTRAST_PORTAL_VENOUS),
        (Quality(concerns=()), Reason.CONTRAST_POSSIBLE),
    ],
)
def test_scope_by_quality(quality: Quality, reason: Reason) -> None:
    """Kernel and tilt change texture, contrast medium changes attenuation."""
    assert why_not(scan(), quality) is reason


def test_thin_slices_far_apart_are_out_of_scope() -> None:
    """The distance counts like the thickness."""
    assert why_not(scan(slice_mm=3.0), UNENHANCED) is Reason.SLICES_TOO_THICK_FOR_TEXTURE


def extracted(values: dict[str, float]) -> RadiomicFeatures:
    settings = feature_settings("study2_product")
    return RadiomicFeatures(values=values, settings=settings.name, settings_digest=settings.digest)


def by_name(group: MeasurementGroup) -> dict[str, float]:
    return {
        one.name: one.value.value for one in group.quantities if isinstance(one.value, Measured)
    }


@given(st.tuples(*[st.floats(-FARTHEST_SD, FARTHEST_SD) for _ in linear_model(MODEL).terms]))
def test_contributions_and_intercept_sum_to_the_score(deviations: tuple[float, ...]) -> None:
    """True for the shipped formula anywhere within its range."""
    formula = linear_model(MODEL)
    values = {
        term.name: term.centre + 0.999 * deviation * term.scale
        for term, deviation in zip(formula.terms, deviations, strict=True)
    }
    found = by_name(level_group(LevelFeatures(level=Level.L2, features=extracted(values)), formula))

    added = [value for name, value in found.items() if name.startswith("contribution_")]
    assert len(added) == len(formula.terms)
    assert found["r_score"] == pytest.approx(formula.intercept + sum(added), abs=1e-9)
    assert {ORIGINAL + name for name in found if f"contribution_{name}" in found} == set(values)


@pytest.mark.parametrize("side", [-1, 1])
def test_a_feature_far_from_training_withholds_the_score(side: int) -> None:
    """Beyond four standard deviations the score is withheld."""
    values = {term.name: term.centre for term in WIDE.terms}
    edge = {**values, NAMES[0]: 120.0 + side * FARTHEST_SD * 100.0}
    beyond = {**values, NAMES[0]: 120.0 + side * (FARTHEST_SD + 0.01) * 100.0}

    assert isinstance(score_level(edge, WIDE), Measured)
    assert score_level(beyond, WIDE) == Abstained(reason=Reason.FEATURE_OUTSIDE_TRAINING)


def test_a_level_without_features_has_its_reason_and_no_number() -> None:
    """The report omits the features of a fractured vertebra, too."""
    one = LevelFeatures(level=Level.L3, features=Abstained(reason=Reason.OUTLIER_LEVEL))

    group = level_group(one, WIDE)

    assert [quantity.value for quantity in group.quantities] == [
        Abstained(reason=Reason.OUTLIER_LEVEL)
    ]
    assert group.sentences == ()


def test_every_feature_of_the_shipped_formula_has_its_codes() -> None:
    """A new model needs new codes for the contributions of its features."""
    names = [term.name.removeprefix(ORIGINAL) for term in linear_model(MODEL).terms]

    assert tuple(names) == codes.R_SCORE_FEATURES
    assert all(term.unit == feature_unit(term.name) for term in linear_model(MODEL).terms)


def with_score(examination: Examination) -> PipelineResult:
    return report_r_score(replace(examination, quality=UNENHANCED), WIDE)


def run(folder: Path, **header: object) -> tuple[Path, dict[str, Any]]:
    """Return SR and result of a stack whose bodies have texture; the phase is set, not measured."""
    stack = Stack(
        spacing_mm=(2.0, 1.2, 1.2), shape=(80, 64, 72), noise_hu=30.0, header=dict(header)
    )
    job = write_stack(stack, folder / "ct")
    networks = Networks(
        localize=known_localization,
        segment=known_segmentation,
        secondary={Pipeline.R_SCORE: with_score},
    )
    outcome = process(job, networks=networks)
    (sr,) = (Path(made.path) for made in outcome.objects if made.kind == "sr")
    return sr, json.loads((Path(job.output_folder) / "result.json").read_text("utf-8"))


def test_score_features_and_contributions_are_in_report_and_result(tmp_path: Path) -> None:
    """The same numbers in the valid report and in result.json, on the whole body."""
    sr, result = run(tmp_path)

    (entry,) = result["secondary"]
    assert entry["reported"]
    assert [group["site"] for group in entry["groups"]] == ["L1", "L2", "L3", "L4"]
    assert dciodvfy_errors(sr) == []
    for group, reported in zip(groups_of(read(sr), "r_score "), entry["groups"], strict=True):
        written = {code: value for code, (value, _, _) in numbers_of(group).items()}
        assert reported["segment"].endswith("vertebral body")
        for quantity in reported["quantities"]:
            assert written[codes.quantity(quantity["name"]).value] == pytest.approx(
                quantity["value"]
            )
        assert len(written) == 1 + 2 * len(NAMES)
    assert MODEL in {model["name"] for model in result["model_set"]["models"]}


def test_the_sentences_claim_association_alone(tmp_path: Path) -> None:
    """docs/domain.md 4.2: experimental, virtual cohort; no diagnosis, T-score, risk or advice."""
    _, result = run(tmp_path)

    words = " ".join(
        text for group in result["secondary"][0]["groups"] for text in group["sentences"]
    )
    assert "no probability and no prediction" in words
    assert "Experimental, trained on a virtual cohort only" in words
    assert not re.search(r"diagnos|t-score|will fracture|\brisk\b|normal", words, re.IGNORECASE)


def test_a_man_has_a_reason_and_no_group(tmp_path: Path) -> None:
    """The pipeline reports the reason and no group."""
    sr, result = run(tmp_path, PatientSex="M")

    (entry,) = result["secondary"]
    assert not entry["reported"]
    assert entry["groups"] == []
    assert [reason["code"] for reason in entry["reasons"]] == ["r_score_not_in_scope"]
    (group,) = groups_of(read(sr), "r_score ")
    assert numbers_of(group) == {}


def examination_of(folder: Path) -> Examination:
    case = MeasuredStack(
        write_stack(Stack(spacing_mm=(2.0, 1.2, 1.2), shape=(80, 64, 72), noise_hu=30.0), folder)
    )
    return Examination(
        job=case.job,
        ct=case.ct,
        localization=case.localization,
        segmentation=known_segmentation(case.ct, case.localization),
        quality=UNENHANCED,
        density=DensityPath(calibration=GENERIC),
        lumbar=case.result,
    )


def test_bad_masks_and_values_have_no_number(tmp_path: Path) -> None:
    """Empty and one-voxel masks withhold their level; values that are not numbers are an error."""
    examination = examination_of(tmp_path / "ct")
    first, second, *rest = examination.lumbar.regions
    one_voxel = np.zeros_like(second.body)
    one_voxel[tuple(np.argwhere(second.body)[0])] = True
    regions = (
        replace(first, body=np.zeros_like(first.body)),
        replace(second, body=one_voxel),
        *rest,
    )
    found = report_r_score(
        replace(examination, lumbar=replace(examination.lumbar, regions=regions)), WIDE
    )
    assert [group.quantities[0].value for group in found.groups[:2]] == 2 * [
        Abstained(reason=Reason.ROI_TOO_SMALL)
    ]
    assert all(group.has_content for group in found.groups[2:])

    hu = examination.ct.hu.copy()
    hu[rest[0].box] = np.nan
    with pytest.raises(UnreadablePixels):
        report_r_score(replace(examination, ct=replace(examination.ct, hu=hu)), WIDE)
