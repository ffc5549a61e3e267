"""Secondary pipelines: report and result hold their groups, and an error in one stops no other."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pydicom
import pytest
import torch

from models.inference import slice_probability
from pipelines.contract.anatomy import Level, Side
from pipelines.contract.findings import Abstained, Measured, ModelUse, Status
from pipelines.contract.job import Outcome
from pipelines.contract.reasons import Reason
from pipelines.contract.secondary_findings import (
    MeasurementGroup,
    Pipeline,
    PipelineResult,
    Quantity,
)
from pipelines.locate.localize import Localization
from pipelines.lumbar.examination import Examination
from pipelines.read.volume import CtVolume
from pipelines.run import Networks, process
from pipelines.secondary.registry import SecondaryPipeline
from pipelines.worker.attempt import attempt
from tests.peers.validator import dciodvfy_errors
from tests.pipelines.stacks import Stack, known_localization, known_segmentation, write_stack

SCHEMA = Path(__file__).parents[3] / "docs" / "result.schema.json"
MODEL = ModelUse(name="forest", version="1.0", digest="0" * 64)


def median_of_levels(examination: Examination) -> PipelineResult:
    """A real measurement: the median of every core."""
    ct = examination.ct
    groups = []
    for region in examination.lumbar.regions:
        values = ct.hu[region.box][region.core]
        median = Measured(value=float(sorted(values)[len(values) // 2]), unit="[hnsf'U]")
        groups.append(
            MeasurementGroup(
                label=region.level.name,
                site=region.level,
                quantities=(Quantity(name="firstorder_Median", value=median, decimals=1),),
                sentences=("Experimental.",),
                segment=f"{region.level.name} trabecular core",
            )
        )
    groups.append(
        MeasurementGroup(
            label="left hip",
            site=Side.LEFT,
            quantities=(
                Quantity(name="firstorder_Median", value=Abstained(reason=Reason.HIP_NOT_COVERED)),
            ),
        )
    )
    return PipelineResult(
        pipeline=Pipeline.R_SCORE,
        groups=tuple(groups),
        reasons=(Reason.SHARP_KERNEL,),
        models=(MODEL,),
    )


def broken(examination: Examination) -> PipelineResult:
    raise ZeroDivisionError(examination.job.key)


def out_of_memory(examination: Examination) -> PipelineResult:
    raise MemoryError


def oversized(examination: Examination) -> PipelineResult:
    """A network of a slice that itself takes one pixel: PyTorch cannot allocate its output."""
    slice_probability("chest_dcnn", torch.zeros(1, 1).expand(2**20, 2**20).numpy())
    raise AssertionError("fits nowhere")


def run(
    tmp_path: Path,
    pipelines: dict[Pipeline, SecondaryPipeline],
    networks: Networks | None = None,
) -> tuple[Outcome, dict[str, Any]]:
    job = write_stack(Stack(), tmp_path / "ct")
    known = networks or Networks(
        localize=known_localization, segment=known_segmentation, secondary=pipelines
    )
    outcome = process(job, networks=known)
    text = (Path(job.output_folder) / "result.json").read_text("utf-8")
    return outcome, json.loads(text)


TRACKING_IDENTIFIER = "112039"


def groups_of(report: pydicom.Dataset, pipeline: str) -> list[pydicom.Dataset]:
    """Measurement groups whose tracking identifier begins with the pipeline."""
    found = []
    for item in report.ContentSequence:
        if item.ConceptNameCodeSequence[0].CodeValue != "126010":
            continue
        for group in item.ContentSequence:
            names = [
                one.TextValue
                for one in group.ContentSequence
                if one.ConceptNameCodeSequence[0].CodeValue == TRACKING_IDENTIFIER
            ]
            if any(str(name).startswith(pipeline) for name in names):
                found.append(group)
    return found


def values(group: pydicom.Dataset, code: str) -> list[pydicom.Dataset]:
    return [
        item
        for item in group.ContentSequence
        if item.ConceptNameCodeSequence[0].get("CodeValue") == code
    ]


def test_groups_stand_in_report_and_result(tmp_path: Path) -> None:
    """Number, withheld number, site, side, segment and model arrive; the report is valid."""
    outcome, result = run(tmp_path, {Pipeline.R_SCORE: median_of_levels})

    jsonschema.validate(result, json.loads(SCHEMA.read_text("utf-8")))
    (entry,) = result["secondary"]
    assert entry["reported"]
    assert [group["site"] for group in entry["groups"]] == ["L1", "L2", "L3", "L4", "left"]
    assert entry["groups"][-1]["quantities"][0]["withheld_reason"] == "hip_not_covered"
    assert "forest" in {model["name"] for model in result["model_set"]["models"]}
    seg, sr = (Path(made.path) for made in outcome.objects)
    assert dciodvfy_errors(sr) == []
    report, segmentation = pydicom.dcmread(sr), pydicom.dcmread(seg)
    reasons, first, *_, hip = groups_of(report, "r_score ")
    assert values(reasons, "reason")[0].ConceptCodeSequence[0].CodeValue == "sharp_kernel"
    (number,) = values(first, "Y12H")
    written = float(number.MeasuredValueSequence[0].NumericValue)
    assert written == entry["groups"][0]["quantities"][0]["value"]
    (segment,) = [item for item in first.ContentSequence if item.ValueType == "IMAGE"][:1]
    reference = segment.ReferencedSOPSequence[0]
    assert reference.ReferencedSOPInstanceUID == segmentation.SOPInstanceUID
    named = segmentation.SegmentSequence[int(reference.ReferencedSegmentNumber) - 1]
    assert named.SegmentLabel == "L1 trabecular core"
    (site,) = values(hip, "363698007")
    assert site.ConceptCodeSequence[0].CodeMeaning == "Femur"
    assert site.ContentSequence[0].ConceptCodeSequence[0].CodeMeaning == "Left"
    assert not [item for item in hip.ContentSequence if item.ValueType == "NUM"]


def test_an_error_in_one_pipeline_changes_no_other_result(tmp_path: Path) -> None:
    """An error in one pipeline becomes a reason; density and the other pipeline stay unchanged."""
    _, alone = run(tmp_path / "alone", {Pipeline.R_SCORE: median_of_levels})
    outcome, result = run(
        tmp_path / "both", {Pipeline.HIP: broken, Pipeline.R_SCORE: median_of_levels}
    )

    femur, ovcf = result["secondary"]
    assert not femur["reported"]
    assert [reason["code"] for reason in femur["reasons"]] == ["internal_error"]
    assert ovcf == alone["secondary"][0]
    assert result["vertebrae"] == alone["vertebrae"]
    assert outcome.status == Status.CAUTION


def test_lack_of_memory_ends_the_job(tmp_path: Path) -> None:
    """A lack of memory ends the attempt; the pipeline does not absorb it."""
    with pytest.raises(MemoryError):
        run(tmp_path, {Pipeline.HIP: out_of_memory})


def test_a_failed_allocation_of_a_network_ends_the_job(tmp_path: Path) -> None:
    """PyTorch raises a RuntimeError; the job still ends with the reason of lacking memory."""
    job = write_stack(Stack(), tmp_path / "ct")
    networks = Networks(
        localize=known_localization,
        segment=known_segmentation,
        secondary={Pipeline.HIP: oversized},
    )

    outcome = attempt(job, lambda one: process(one, networks=networks))

    assert outcome is not None
    assert outcome.failure is not None
    assert outcome.failure.reason is Reason.OUT_OF_MEMORY
    assert "can't allocate memory" in outcome.failure.detail


def test_secondary_result_without_density_is_one_with_caution(tmp_path: Path) -> None:
    """A scan of the pelvis has no lumbar level, but a hip to report."""

    def hips(examination: Examination) -> PipelineResult:
        assert not examination.lumbar.regions
        fraction = Measured(value=0.5, unit="1")
        return PipelineResult(
            pipeline=Pipeline.HIP,
            groups=(
                MeasurementGroup(
                    label="right hip",
                    site=Side.RIGHT,
                    quantities=(Quantity(name="shape_Sphericity", value=fraction),),
                ),
            ),
        )

    def without_lumbar(ct: CtVolume) -> Localization:
        found = known_localization(ct)
        kept = tuple(one for one in found.vertebrae if one.level > Level.L4)
        return Localization(
            vertebrae=kept,
            presumed=found.presumed,
            unnamed=(),
            grid=found.grid,
            body_probability=found.body_probability,
        )

    networks = Networks(
        localize=without_lumbar, segment=known_segmentation, secondary={Pipeline.HIP: hips}
    )
    outcome, result = run(tmp_path, {}, networks)

    assert outcome.status == Status.CAUTION
    assert result["mean"]["trabecular_hu_mean"] is None
    assert result["secondary"][0]["reported"]
    (sr,) = outcome.objects
    assert dciodvfy_errors(Path(sr.path)) == []
