"""The Structured Report: content, references, and words that are not allowed."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from pipelines.contract.anatomy import Level, Side
from pipelines.contract.calibration import GENERIC
from pipelines.contract.findings import Measured as Measurement
from pipelines.contract.findings import Status
from pipelines.contract.job import Predecessor
from pipelines.contract.reasons import EXPLANATION, Reason
from pipelines.contract.secondary_findings import (
    MeasurementGroup,
    Pipeline,
    PipelineResult,
    Quantity,
)
from pipelines.density.attenuation_to_density import DensityPath
from pipelines.gates.all_gates import Quality
from pipelines.lumbar.examination import ExaminationResult
from pipelines.lumbar.measure import measure_lumbar, nothing_reported
from pipelines.reporting.seg import make_segmentation
from pipelines.reporting.sr_content import make_report
from pipelines.reporting.wording import headline
from tests.peers.validator import dciodvfy_errors
from tests.pipelines.reporting.test_seg import Measured, measured
from tests.pipelines.stacks import Stack, known_segmentation, read

FORBIDDEN = ("diagnosis of osteoporosis", "will fracture", "treat with", "t-score of")


def items(item: Dataset) -> list[Dataset]:
    """All content items below one."""
    found = []
    for child in item.get("ContentSequence", []):
        found += [child, *items(child)]
    return found


def groups(report: Dataset) -> list[Dataset]:
    return [
        item
        for item in items(report)
        if item.get("ConceptNameCodeSequence")
        and item.ConceptNameCodeSequence[0].get("CodeValue") == "125007"
    ]


def meaning(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeMeaning)


def report_of(case: Measured, **changes: object) -> Dataset:
    job = case.job.model_copy(update=changes)
    segmentation = None
    if case.result.regions:
        segmentation = make_segmentation(job, case.series, case.result.regions, ())
    made = make_report(
        job, case.series, case.ct.header, ExaminationResult(lumbar=case.result), segmentation
    )
    path = Path(job.output_folder) / "sr.dcm"
    made.save_as(path, enforce_file_format=True)
    return read(path)


def not_reported(case: Measured) -> Measured:
    case.result = nothing_reported(Reason.LEVELS_NOT_COVERED, (), ())
    return case


def test_one_group_per_vertebra_and_one_for_the_examination(tmp_path: Path) -> None:
    """The examination first, then L1 to L4 by their codes."""
    report = report_of(measured(Stack(), tmp_path))

    sites = [
        item.ConceptCodeSequence[0].CodeMeaning
        for group in groups(report)
        for item in group.ContentSequence
        if item.ValueType == "CODE" and meaning(item) == "Finding Site"
    ]

    assert sites == ["Lumbar spine", "L1 vertebra", "L2 vertebra", "L3 vertebra", "L4 vertebra"]


def test_numbers_carry_unit_derivation_and_uncertainty(tmp_path: Path) -> None:
    """Mean and spread in HU, core volume in mm3, density in mg/cm3 with its uncertainty."""
    report = report_of(measured(Stack(), tmp_path))
    first = groups(report)[1]

    numbers = [
        (
            meaning(item),
            float(item.MeasuredValueSequence[0].NumericValue),
            item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue,
        )
        for item in first.ContentSequence
        if item.ValueType == "NUM"
    ]

    assert [name for name, _, _ in numbers] == [
        "Attenuation Coefficient",
        "Attenuation Coefficient",
        "Volume",
        "Trabecular volumetric bone mineral density",
    ]
    assert [unit for _, _, unit in numbers] == ["[hnsf'U]", "[hnsf'U]", "mm3", "mg/cm3"]
    assert numbers[0][1] == 150.0
    assert numbers[3][1] == pytest.approx(150 / 1.309, abs=0.06)


def test_each_group_refers_to_the_core_that_was_measured(tmp_path: Path) -> None:
    """The referenced segment is the core; its tracking UID is that of the group."""
    case = measured(Stack(), tmp_path)
    seg = read(case.write_segmentation())
    report = report_of(case)

    for group in groups(report)[1:]:
        (reference,) = (i for i in group.ContentSequence if i.ValueType == "IMAGE")
        referenced = reference.ReferencedSOPSequence[0]
        (tracking,) = (
            i
            for i in group.ContentSequence
            if i.ValueType == "UIDREF" and meaning(i) == "Tracking Unique Identifier"
        )
        segment = seg.SegmentSequence[int(referenced.ReferencedSegmentNumber) - 1]
        assert referenced.ReferencedSOPInstanceUID == seg.SOPInstanceUID
        assert segment.SegmentLabel.endswith("trabecular core")
        assert segment.TrackingUID == tracking.UID


def test_report_is_unverified_research(tmp_path: Path) -> None:
    """It is unverified and states its intended use."""
    report = report_of(measured(Stack(), tmp_path))
    text = " ".join(str(i.TextValue) for i in items(report) if i.ValueType == "TEXT")

    assert (report.VerificationFlag, report.CompletionFlag) == ("UNVERIFIED", "COMPLETE")
    assert report.SeriesDescription == "RESEARCH - OPPORTUNISTIC BMD"
    assert "RESEARCH USE ONLY" in text
    assert "not a DXA T-score" in text
    assert not any(word in text.lower() for word in FORBIDDEN)


def test_not_reported_has_reasons_and_no_number(tmp_path: Path) -> None:
    """SR only: status, reason in code and words, no number, no segment."""
    report = report_of(not_reported(measured(Stack(), tmp_path)))
    contents = items(report)
    codes = {
        i.ConceptCodeSequence[0].get("CodeValue") or i.ConceptCodeSequence[0].LongCodeValue
        for i in contents
        if i.ValueType == "CODE"
    }

    assert {"not_reported", "levels_not_covered"} <= codes
    assert not [i for i in contents if i.ValueType in ("NUM", "IMAGE")]
    assert EXPLANATION[Reason.LEVELS_NOT_COVERED] in [
        i.TextValue for i in contents if i.ValueType == "TEXT"
    ]


def test_withheld_density_leaves_its_reason(tmp_path: Path) -> None:
    """No number in the place of the density, but a code with the reason."""
    case = measured(Stack(), tmp_path)
    case.result = measure_lumbar(
        case.ct,
        case.localization,
        known_segmentation(case.ct, case.localization),
        Quality(concerns=()),
        (),
        density=DensityPath(calibration=GENERIC, withheld_because=Reason.KVP_MISSING),
    )
    report = report_of(case)

    assert not [
        i for i in items(report) if i.ValueType == "NUM" and "density" in meaning(i).lower()
    ]
    withheld = [
        i
        for i in items(report)
        if i.ValueType == "CODE" and meaning(i) == "Density withheld because"
    ]
    assert {i.ConceptCodeSequence[0].CodeValue for i in withheld} == {"kvp_missing"}


def test_new_version_names_the_report_that_it_replaces(tmp_path: Path) -> None:
    """Predecessor Documents Sequence (PS3.3 C.17.2)."""
    predecessor = Predecessor(
        study_instance_uid="1.2.3", series_instance_uid="1.2.4", sop_instance_uid="1.2.5", path=""
    )
    case = measured(Stack(), tmp_path)
    report = report_of(case, predecessor=predecessor)

    series = report.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.5"


@pytest.mark.peer("dciodvfy")
@pytest.mark.parametrize("kind", ["single", "enhanced", "not_reported", "excluded", "predecessor"])
def test_dciodvfy_finds_no_error(kind: str, tmp_path: Path) -> None:
    """The object satisfies the Comprehensive 3D SR IOD in every form."""
    case = measured(Stack(), tmp_path, enhanced=kind == "enhanced")
    changes: dict[str, object] = {}
    if kind == "not_reported":
        not_reported(case)
    if kind == "excluded":
        rows = tuple(
            replace(row, used=False, excluded_reason=Reason.OUTLIER_LEVEL, presumed=True)
            if row.level == Level.L2
            else row
            for row in case.result.findings.vertebrae
        )
        findings = replace(case.result.findings, vertebrae=rows)
        case.result = replace(case.result, findings=findings)
    if kind == "predecessor":
        changes["predecessor"] = Predecessor(
            study_instance_uid="1.2.3",
            series_instance_uid="1.2.4",
            sop_instance_uid="1.2.5",
            path="",
        )
    report_of(case, **changes)

    assert dciodvfy_errors(Path(case.job.output_folder) / "sr.dcm") == []


def test_a_secondary_result_alone_is_one_with_caution(tmp_path: Path) -> None:
    """Without a measured level the headline lists no attenuation."""
    case = not_reported(measured(Stack(), tmp_path))
    share = Quantity(name="hip_normal", value=Measurement(value=0.5, unit="1"))
    group = MeasurementGroup(label="left hip", site=Side.LEFT, quantities=(share,))
    found = PipelineResult(pipeline=Pipeline.HIP, groups=(group,))
    result = ExaminationResult(lumbar=case.result, secondary=(found,))

    assert ExaminationResult(lumbar=case.result).status == Status.NOT_REPORTED
    assert headline(result, case.ct.header) == "RESULT WITH CAUTION."
