"""The comparison of two runs: equal results are equal, and every change of a result is reported."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID

from benchmarks.same_report import distinct, main
from pipelines.contract.secondary_findings import Pipeline
from pipelines.run import Networks, process
from pipelines.secondary.dxa_equivalent.report import report_dxa_equivalent
from tests.pipelines.stacks import Stack, known_localization, known_segmentation, write_stack

WOMAN: dict[str, object] = {"PatientAge": "067Y", "PatientSex": "F"}
NETWORKS = Networks(
    localize=known_localization,
    segment=known_segmentation,
    secondary={Pipeline.DXA_EQUIVALENT: report_dxa_equivalent},
)
LIMITS = ("--tolerance", "0.001", "--dice", "0.999")


def processed(folder: Path) -> Path:
    """Folder of the results of the product for a stack of known bodies."""
    job = write_stack(Stack(header=WOMAN, noise_hu=12), folder)
    process(job, networks=NETWORKS)
    return Path(job.output_folder)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return processed(tmp_path_factory.mktemp("first") / "ct")


@pytest.fixture
def second(first: Path, tmp_path: Path) -> Path:
    """Copy of the first folder, for a test to change."""
    return Path(shutil.copytree(first, tmp_path / "second"))


def change_result(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "result.json"
    result = json.loads(path.read_text("utf-8"))
    change(result)
    path.write_text(json.dumps(result), encoding="utf-8")


def change_object(path: Path, change: Callable[[Dataset], None]) -> None:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)


def flip_voxel(segmentation: Dataset) -> None:
    """Exchange 0 and 1 in the middle of the first frame."""
    pixels = segmentation.pixel_array.copy()
    middle = (0, segmentation.Rows // 2, segmentation.Columns // 2)
    pixels[middle] = 1 - pixels[middle]
    packed = np.packbits(pixels.ravel(), bitorder="little").tobytes()
    segmentation.PixelData = packed + b"\0" * (len(packed) % 2)


def first_code(report: Dataset) -> Dataset:
    """First code that is a value in the content tree."""
    for element in report.iterall():
        if element.keyword == "ConceptCodeSequence":
            code: Dataset = element.value[0]
            return code
    raise AssertionError("the report contains no code")


def compared(
    capsys: pytest.CaptureFixture[str], first: Path, second: Path, *options: str
) -> tuple[int, list[str]]:
    """Return exit code and lines of differences."""
    status = main(["compare", str(first), str(second), *options])
    return status, capsys.readouterr().out.splitlines()[:-1]


def test_two_runs_of_the_product_are_equal(first, tmp_path, capsys):
    """Every value is equal, from the folders and from the files of ``digest``."""
    again = processed(tmp_path / "ct")
    digests = [tmp_path / "first.json", tmp_path / "again.json"]
    for folder, digest in zip((first, again), digests, strict=True):
        assert main(["digest", str(folder), "--out", str(digest)]) == 0

    assert compared(capsys, first, again) == (0, [])
    assert compared(capsys, *digests) == (0, [])
    assert compared(capsys, first, digests[1]) == (0, [])


def test_digest_holds_numbers_codes_and_segments(first, tmp_path):
    main(["digest", str(first), "--out", str(tmp_path / "digest.json")])

    values = json.loads((tmp_path / "digest.json").read_text("utf-8"))

    result = json.loads((first / "result.json").read_text("utf-8"))
    assert values["result.status"] == result["status"]
    assert (
        values["result.vertebrae[L2].trabecular_hu_mean"]
        == (result["vertebrae"][1]["trabecular_hu_mean"])
    )
    voxels = pydicom.dcmread(first / "seg.dcm").pixel_array
    counted = [value for path, value in values.items() if path.endswith(".voxels")]
    assert sum(counted) == voxels.sum()
    assert len(counted) == 8
    region = "seg.SegmentSequence[L1 vertebral body].AnatomicRegionSequence[0].code"
    assert values[region] == "66794005:SCT"
    assert any(path.endswith(".NumericValue") for path in values)


def test_changed_number_is_reported(first, second, capsys):
    """One hundredth of a HU: exact comparison reports it, the tolerance of 0.1 % does not."""

    def change(result: dict[str, Any]) -> None:
        result["vertebrae"][1]["trabecular_hu_mean"] += 0.01

    change_result(second, change)

    status, lines = compared(capsys, first, second)
    assert status == 1
    assert len(lines) == 1
    assert lines[0].startswith("result.vertebrae[L2].trabecular_hu_mean: 1")
    assert compared(capsys, first, second, *LIMITS) == (0, [])


def test_changed_code_of_the_result_is_reported_with_any_tolerance(first, second, capsys):
    def change(result: dict[str, Any]) -> None:
        result["vertebrae"][0]["withheld"]["vbmd_mg_cm3"] = "contrast"

    change_result(second, change)

    line = 'result.vertebrae[L1].withheld.vbmd_mg_cm3: null | "contrast"'
    assert compared(capsys, first, second) == (1, [line])
    assert compared(capsys, first, second, *LIMITS) == (1, [line])


@pytest.mark.parametrize("name", ["sr.dcm", "seg.dcm"])
def test_changed_code_of_an_object_is_reported(name, first, second, capsys):
    def change(dataset: Dataset) -> None:
        code = (
            first_code(dataset)
            if dataset.Modality == "SR"
            else dataset.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0]
        )
        code.CodeValue = "1234"

    change_object(second / name, change)

    status, lines = compared(capsys, first, second, *LIMITS)
    assert status == 1
    assert len(lines) == 1
    assert '| "1234:' in lines[0]


def test_changed_voxel_is_reported(first, second, capsys):
    """Exact comparison finds one voxel; the lowest Dice allows it."""
    change_object(second / "seg.dcm", flip_voxel)

    status, lines = compared(capsys, first, second)
    assert status == 1
    assert [line.split(": ")[0] for line in lines] == [
        "seg.pixels[L1 vertebral body].voxels",
        "seg.pixels[L1 vertebral body].digest",
        "segment L1 vertebral body",
    ]
    assert lines[-1].endswith("1 voxels differ")
    assert compared(capsys, first, second, *LIMITS) == (0, [])


def test_moved_frame_is_reported(first, second, capsys):
    """The same pixels at another position are another segment, with any tolerance."""

    def change(segmentation: Dataset) -> None:
        plane = segmentation.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
        plane.ImagePositionPatient[2] += 1.5

    change_object(second / "seg.dcm", change)

    status, lines = compared(capsys, first, second)
    assert status == 1
    assert lines[0].startswith("seg.pixels[L1 vertebral body].digest: ")
    status, lines = compared(capsys, first, second, "--tolerance", "0.1", "--dice", "0.99")
    assert status == 1
    assert lines[0].startswith("segment L1 vertebral body: Dice 0.")


def test_texts_identifiers_and_versions_are_left_out(first, second, capsys):
    def change(result: dict[str, Any]) -> None:
        result["software"]["version"] = "9.9"
        result["job_key"] = "another"
        result["source"]["series_instance_uid"] = "1.2.3"
        result["model_set"]["models"][0]["digest"] = "0"
        for reason in result["reasons"]:
            reason["text"] = "in other words"

    def rename(report: Dataset) -> None:
        report.SOPInstanceUID = UID("1.2.3")
        report.ContentTime = "235959"
        report.SeriesDescription = "in other words"
        report.ConceptNameCodeSequence[0].CodeMeaning = "in other words"

    change_result(second, change)
    change_object(second / "sr.dcm", rename)

    assert compared(capsys, first, second) == (0, [])


def test_missing_report_is_reported(first, second, capsys):
    (second / "sr.dcm").unlink()

    status, lines = compared(capsys, first, second, *LIMITS)

    assert status == 1
    assert all(line.startswith("sr.") and line.endswith(" | absent") for line in lines)


def test_tolerance_needs_two_folders(first, tmp_path, capsys):
    """A digest of frames allows no Dice coefficient."""
    digest = tmp_path / "first.json"
    main(["digest", str(first), "--out", str(digest)])

    assert main(["compare", str(first), str(digest), *LIMITS]) == 2
    assert "between two folders" in capsys.readouterr().err


def test_folder_of_two_examinations_is_refused(first, tmp_path, capsys):
    for name in "ab":
        shutil.copytree(first, tmp_path / name)

    assert main(["digest", str(tmp_path)]) == 2
    assert "2 files result.json" in capsys.readouterr().err


def test_repeated_names_are_numbered():
    assert distinct(["mean", "mean", "spread", "mean"]) == ["mean", "mean#2", "spread", "mean#3"]
