"""The networks of study 1 in the product: reported and withheld values."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import torch
from torch.nn import functional

from models.errors import UnknownModel
from models.runtime import Forward
from pipelines.contract.findings import Abstained, Measured
from pipelines.contract.job import Outcome
from pipelines.contract.reasons import Reason
from pipelines.contract.secondary_findings import Pipeline, PipelineResult
from pipelines.lumbar.examination import Examination
from pipelines.run import Networks, process
from pipelines.secondary.dxa_equivalent import report
from pipelines.secondary.dxa_equivalent.network_input import coarse
from pipelines.secondary.dxa_equivalent.report import (
    BMD_MODEL,
    CLASSES,
    density_class,
    report_dxa_equivalent,
)
from tests.peers.validator import dciodvfy_errors
from tests.pipelines.stacks import Stack, known_localization, known_segmentation, write_stack

WOMAN: dict[str, object] = {
    "PatientAge": "067Y",
    "PatientSex": "F",
    "PatientSize": "1.60",
    "PatientWeight": "60",
}
CAUGHT: list[Examination] = []


def catching(examination: Examination) -> PipelineResult:
    CAUGHT.append(examination)
    return report_dxa_equivalent(examination)


def run(tmp_path: Path, header: dict[str, object]) -> tuple[Outcome, dict[str, Any]]:
    """Blocks for vertebrae through the whole product, with this pipeline alone."""
    job = write_stack(Stack(header=header), tmp_path / "ct")
    networks = Networks(
        localize=known_localization,
        segment=known_segmentation,
        secondary={Pipeline.DXA_EQUIVALENT: catching},
    )
    outcome = process(job, networks=networks)
    return outcome, json.loads((Path(job.output_folder) / "result.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def examination(tmp_path_factory: pytest.TempPathFactory) -> Examination:
    """Measured once; each test changes a copy."""
    CAUGHT.clear()
    run(tmp_path_factory.mktemp("blocks"), WOMAN)
    return CAUGHT[0]


def constant(logits: tuple[float, float, float]) -> Any:
    """Return networks with a constant output."""

    def forward(name: str) -> Forward:
        values = [0.9] if name == BMD_MODEL else list(logits)
        return lambda image: torch.tensor([values] * len(image))

    return forward


def values_of(result: PipelineResult, label: str) -> dict[str, Measured | Abstained]:
    (group,) = [group for group in result.groups if group.label == label]
    return {one.name: one.value for one in group.quantities}


def with_header(examination: Examination, **changes: Any) -> Examination:
    header = replace(examination.ct.header, **changes)
    return replace(examination, ct=replace(examination.ct, header=header))


def test_report_and_result_hold_density_classes_and_index(tmp_path: Path) -> None:
    """With the shipped weights: four levels and the mean, experimental, in a valid report."""
    outcome, result = run(tmp_path, WOMAN)

    (entry,) = result["secondary"]
    assert [group["site"] for group in entry["groups"]] == ["L1", "L2", "L3", "L4", None]
    names = {model["name"] for model in result["model_set"]["models"]}
    assert {"dxa_equivalent_bmd", "dxa_equivalent_class", "fracture_index"} <= names
    for group in entry["groups"]:
        numbers: dict[str, float] = {one["name"]: one["value"] for one in group["quantities"]}
        assert 0.3 < numbers["areal_density" if group["site"] else "mean_areal_density"] < 1.8
        assert 0 <= numbers["fracture_index"] <= 1
    sr = next(Path(made.path) for made in outcome.objects if made.kind == "sr")
    assert dciodvfy_errors(sr) == []
    texts = [str(one.value) for one in pydicom.dcmread(sr).iterall() if one.keyword == "TextValue"]
    assert any("virtual patients only" in text for text in texts)
    words = json.dumps(entry)
    for forbidden in ("T-score", "will fracture", "probability of fracture", "diagnosis of"):
        assert forbidden not in words


def test_classes_of_a_level_add_up_to_one(
    examination: Examination, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "forward", constant((1.0, 2.0, 0.5)))
    found = values_of(report_dxa_equivalent(examination), "L2")
    shares = [one.value for name in CLASSES if isinstance(one := found[name], Measured)]
    expected = torch.softmax(torch.tensor([1.0, 2.0, 0.5]), dim=0).tolist()
    assert shares == pytest.approx(expected)


@pytest.mark.parametrize(
    ("logits", "reason"),
    [((0.0, 0.0, 9.0), Reason.NETWORK_DISAGREES), ((0.0, 9.0, 0.0), None)],
)
def test_no_class_where_network_and_density_lie_two_classes_apart(
    examination: Examination,
    monkeypatch: pytest.MonkeyPatch,
    logits: tuple[float, float, float],
    reason: Reason | None,
) -> None:
    """The density stays; a difference of one class is within the error of both."""
    mean = Measured(value=150.0, unit="mg/cm3")
    dense = replace(examination.lumbar.findings, mean_vbmd=mean)
    dense_one = replace(examination, lumbar=replace(examination.lumbar, findings=dense))
    monkeypatch.setattr(report, "forward", constant(logits))
    found = report_dxa_equivalent(dense_one)
    shares = [values_of(found, "mean")[name] for name in CLASSES]
    if reason is None:
        assert all(isinstance(share, Measured) for share in shares)
    else:
        assert shares == [Abstained(reason=reason)] * 3
        assert found.reasons == (reason,)
    assert isinstance(values_of(found, "mean")["mean_areal_density"], Measured)


def test_without_a_density_the_class_comes_from_attenuation(examination: Examination) -> None:
    """160 and 110 HU."""
    for hu, expected in ((170.0, 0), (130.0, 1), (90.0, 2)):
        findings = replace(
            examination.lumbar.findings,
            mean_vbmd=Abstained(reason=Reason.KVP_NOT_120),
            mean_attenuation=Measured(value=hu, unit="[hnsf'U]"),
        )
        changed = replace(examination, lumbar=replace(examination.lumbar, findings=findings))
        assert density_class(changed) == expected


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"patient_age_years": 45.0}, Reason.NOT_IN_SCOPE),
        ({"patient_age_years": None}, Reason.AGE_OR_SEX_UNKNOWN),
        ({"patient_sex": "O"}, Reason.AGE_OR_SEX_UNKNOWN),
    ],
)
def test_classes_are_for_women_and_men_of_fifty_and_older(
    examination: Examination,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    reason: Reason,
) -> None:
    monkeypatch.setattr(report, "forward", constant((0.0, 1.0, 0.0)))
    found = values_of(report_dxa_equivalent(with_header(examination, **changes)), "L1")
    assert [found[name] for name in CLASSES] == [Abstained(reason=reason)] * 3
    assert isinstance(found["areal_density"], Measured)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"slice_thickness_mm": 6.0}, Reason.SLICE_TOO_THICK),
        ({"kvp": 100.0}, Reason.KVP_NOT_120),
        ({"kvp": None}, Reason.KVP_MISSING),
    ],
)
def test_out_of_scope_scans_are_not_reported(
    examination: Examination, changes: dict[str, Any], reason: Reason
) -> None:
    found = report_dxa_equivalent(with_header(examination, **changes))
    assert found.groups == ()
    assert found.reasons == (reason,)


def test_a_sharp_kernel_is_not_reported(tmp_path: Path) -> None:
    _, result = run(tmp_path, {**WOMAN, "ConvolutionKernel": "BONEPLUS"})
    (entry,) = result["secondary"]
    assert [reason["code"] for reason in entry["reasons"]] == ["sharp_kernel"]
    assert not entry["reported"]


def test_missing_weights_are_reported(
    examination: Examination, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Forward:
        raise UnknownModel(name, "", "")

    monkeypatch.setattr(report, "forward", missing)
    assert report_dxa_equivalent(examination).reasons == (Reason.WEIGHTS_MISSING,)


def test_an_excluded_level_is_left_out_with_its_reason(
    examination: Examination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not in the mean; both networks run on the other levels and their mirror images."""
    first, *others = examination.lumbar.findings.vertebrae
    cut = replace(first, used=False, excluded_reason=Reason.METAL)
    findings = replace(examination.lumbar.findings, vertebrae=(cut, *others))
    changed = replace(examination, lumbar=replace(examination.lumbar, findings=findings))
    seen: list[int] = []

    def forward(name: str) -> Forward:
        def one(image: torch.Tensor) -> torch.Tensor:
            seen.append(len(image))
            return torch.ones(len(image), 1 if name == BMD_MODEL else 3)

        return one

    monkeypatch.setattr(report, "forward", forward)
    found = values_of(report_dxa_equivalent(changed), "L1")
    assert set(found.values()) == {Abstained(reason=Reason.METAL)}
    assert seen == [3] * 4


def test_coarse_voxels_are_means_as_pytorch_pools_them() -> None:
    image = np.random.default_rng(0).random((9, 8, 12), dtype=np.float32)
    pooled = functional.avg_pool3d(torch.from_numpy(image)[None], (2, 4, 4))[0]
    np.testing.assert_allclose(coarse(image, (2, 4, 4)), pooled.numpy(), atol=1e-6)
