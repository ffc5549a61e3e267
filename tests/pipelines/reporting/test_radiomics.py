"""The report of radiomic features: IBSI codes, the numbers that were extracted, and nothing withheld."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from pipelines.contract.anatomy import Level
from pipelines.contract.findings import Abstained
from pipelines.contract.job import Outcome
from pipelines.contract.reasons import Reason
from pipelines.lumbar.measure import LumbarResult
from pipelines.lumbar.vertebral_features import LevelFeatures, vertebral_features
from pipelines.radiomics.extract import RadiomicFeatures
from pipelines.reporting import codes
from pipelines.reporting.radiomics import make_radiomics_report
from pipelines.reporting.seg import make_segmentation, segment_numbers
from pipelines.run import Networks, process
from tests.peers.validator import dciodvfy_errors
from tests.pipelines.reporting.test_seg import Measured, measured
from tests.pipelines.reporting.test_sr_content import groups, meaning
from tests.pipelines.stacks import (
    LEVELS,
    Stack,
    known_localization,
    known_segmentation,
    read,
    write_stack,
)

STACK = Stack(spacing_mm=(2.5, 1.2, 1.2), shape=(64, 64, 72), noise_hu=30.0)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """A stack with noisy bodies, measured."""
    return measured(STACK, tmp_path_factory.mktemp("radiomics"))


@pytest.fixture(scope="module")
def features(case: Measured) -> tuple[LevelFeatures, ...]:
    """Of its four bodies."""
    return vertebral_features(case.ct, case.result)


def report_of(case: Measured, found: tuple[LevelFeatures, ...]) -> Path:
    segmentation = make_segmentation(case.job, case.series, case.result.regions, ())
    numbers = segment_numbers(case.result.regions)
    made = make_radiomics_report(case.job, case.series, found, segmentation, numbers, ())
    path = Path(case.job.output_folder) / "radiomics.dcm"
    made.save_as(path, enforce_file_format=True)
    return path


def numbers_of(group: Dataset) -> dict[str, tuple[float, str, str]]:
    """Value, unit and scheme of every item by its code value."""
    found = {}
    for item in group.ContentSequence:
        if item.ValueType == "NUM":
            name, value = item.ConceptNameCodeSequence[0], item.MeasuredValueSequence[0]
            unit = value.MeasurementUnitsCodeSequence[0].CodeValue
            found[str(name.CodeValue)] = (
                float(value.NumericValue),
                str(unit),
                str(name.CodingSchemeDesignator),
            )
    return found


def test_every_feature_of_every_body_is_an_item(
    case: Measured, features: tuple[LevelFeatures, ...]
) -> None:
    """107 items per vertebra: 101 by IBSI, six privately, each with the value extracted."""
    report = read(report_of(case, features))

    assert [one.level for one in features] == list(LEVELS)
    for group, one in zip(groups(report), features, strict=True):
        assert isinstance(one.features, RadiomicFeatures)
        written = numbers_of(group)
        assert len(written) == len(one.features.values) == 107
        assert sum(scheme == "IBSI" for _, _, scheme in written.values()) == len(codes.IBSI)
        for name, value in one.features.values.items():
            key = name.removeprefix("original_")
            code = codes.IBSI.get(key) or codes.RADIOMICS_WITHOUT_IBSI[key]
            assert written[code.value][0] == pytest.approx(value, rel=1e-8)


def test_items_carry_the_unit_of_the_feature(
    case: Measured, features: tuple[LevelFeatures, ...]
) -> None:
    """Volumes in mm3, intensities in HU, texture without unit."""
    written = numbers_of(groups(read(report_of(case, features)))[0])

    units = {code: written[code][1] for code in ("RNU0", "C0JK", "L0JK", "Q4LE", "ECT3", "ACUI")}
    assert units == {
        "RNU0": "mm3",
        "C0JK": "mm2",
        "L0JK": "mm",
        "Q4LE": "[hnsf'U]",
        "ECT3": "[hnsf'U]2",
        "ACUI": "1",
    }


def test_each_group_refers_to_the_whole_body(
    case: Measured, features: tuple[LevelFeatures, ...]
) -> None:
    """Study 2 measures the body with its cortex, not the trabecular core."""
    seg = read(case.write_segmentation())

    for group in groups(read(report_of(case, features))):
        (image,) = (item for item in group.ContentSequence if item.ValueType == "IMAGE")
        number = int(image.ReferencedSOPSequence[0].ReferencedSegmentNumber)
        assert seg.SegmentSequence[number - 1].SegmentLabel.endswith("vertebral body")


def test_a_withheld_vertebra_has_a_reason_and_no_number(
    case: Measured, features: tuple[LevelFeatures, ...]
) -> None:
    """The group of the vertebra has the reason."""
    withheld = replace(features[1], features=Abstained(reason=Reason.SHARP_KERNEL))

    report = read(report_of(case, (features[0], withheld, *features[2:])))

    group = groups(report)[1]
    assert numbers_of(group) == {}
    (reason,) = (
        item.ConceptCodeSequence[0].CodeValue
        for item in group.ContentSequence
        if item.ValueType == "CODE" and meaning(item) == codes.WITHHELD_RADIOMICS.meaning
    )
    assert reason == "sharp_kernel"


@pytest.mark.peer("dciodvfy")
def test_dciodvfy_finds_no_error(case: Measured, features: tuple[LevelFeatures, ...]) -> None:
    """The object satisfies the Comprehensive 3D SR IOD."""
    assert dciodvfy_errors(report_of(case, features)) == []


def with_reasons(result: LumbarResult, *reasons: Reason) -> LumbarResult:
    return replace(result, findings=replace(result.findings, reasons=reasons))


@pytest.mark.parametrize("reason", [Reason.SHARP_KERNEL, Reason.GANTRY_TILT])
def test_texture_is_withheld_where_kernel_or_tilt_changes_it(
    case: Measured, reason: Reason
) -> None:
    """A sharp kernel or a tilted gantry leaves density alone, but not texture."""
    found = vertebral_features(case.ct, with_reasons(case.result, reason))

    assert {one.features for one in found} == {Abstained(reason=reason)}


def test_a_level_that_does_not_count_has_no_features(case: Measured) -> None:
    """Fracture, metal or a lesion: the level keeps its own reason."""
    first, *others = case.result.findings.vertebrae
    excluded = replace(first, used=False, excluded_reason=Reason.METAL)
    findings = replace(case.result.findings, vertebrae=(excluded, *others))

    found = vertebral_features(case.ct, replace(case.result, findings=findings))

    assert found[0] == LevelFeatures(level=Level.L1, features=Abstained(reason=Reason.METAL))
    assert all(isinstance(one.features, RadiomicFeatures) for one in found[1:])


def test_slices_too_far_apart_have_no_texture(tmp_path: Path) -> None:
    """Slices of 5 mm allow density, not texture."""
    thick = measured(replace(STACK, spacing_mm=(5.0, 1.2, 1.2), shape=(34, 64, 72)), tmp_path)

    found = vertebral_features(thick.ct, thick.result)

    assert found
    assert {one.features for one in found} == {Abstained(reason=Reason.TOO_COARSE)}


def processed(folder: Path, *, radiomics: bool) -> Outcome:
    job = write_stack(STACK, folder / "ct").model_copy(update={"radiomics": radiomics})
    known = Networks(localize=known_localization, segment=known_segmentation, secondary={})
    return process(job, networks=known)


def test_the_report_is_written_only_if_the_job_requests_it(tmp_path: Path) -> None:
    """Off by default; the other objects are the same either way."""
    plain = processed(tmp_path / "plain", radiomics=False)
    requested = processed(tmp_path / "requested", radiomics=True)

    assert [made.kind for made in plain.objects] == ["seg", "sr"]
    assert [made.kind for made in requested.objects] == ["seg", "sr", "radiomics"]
    report = read(Path(requested.objects[2].path))
    assert all(len(numbers_of(group)) == 107 for group in groups(report))
