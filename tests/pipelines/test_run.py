"""One job from DICOM files to DICOM files, without a queue and with known anatomy."""

import json
from pathlib import Path

import jsonschema
import pydicom
import pytest

from pipelines.contract.findings import Status
from pipelines.contract.job import Job, read_outcome
from pipelines.contract.progress import StationEvent
from pipelines.contract.reasons import Reason
from pipelines.locate.localize import Localization
from pipelines.read.volume import CtVolume
from pipelines.reporting.result_document import ResultDocument, schema_text
from pipelines.run import Networks, process
from tests.pipelines.stacks import Stack, known_localization, known_segmentation, write_stack

KNOWN = Networks(localize=known_localization, segment=known_segmentation, secondary={})
SCHEMA = Path(__file__).parents[2] / "docs" / "result.schema.json"


def result_of(job: Job) -> dict[str, object]:
    document: dict[str, object] = json.loads(
        (Path(job.output_folder) / "result.json").read_text("utf-8")
    )
    return document


def never(ct: CtVolume) -> Localization:
    raise AssertionError("no network may run")


@pytest.mark.parametrize("enhanced", [False, True], ids=["single", "enhanced"])
def test_job_becomes_segmentation_report_and_result(enhanced: bool, tmp_path: Path) -> None:
    """All files are there and the outcome names them."""
    job = write_stack(Stack(), tmp_path / "ct", enhanced=enhanced)

    outcome = process(job, networks=KNOWN)

    assert outcome == read_outcome(Path(job.output_folder))
    assert outcome.status == Status.CAUTION
    assert [made.kind for made in outcome.objects] == ["seg", "sr"]
    for made in outcome.objects:
        dataset = pydicom.dcmread(made.path)
        assert dataset.SOPInstanceUID == made.sop_instance_uid
        assert dataset.SOPClassUID == made.sop_class_uid
        assert dataset.SeriesInstanceUID == made.series_instance_uid
        assert dataset.StudyInstanceUID == job.study_instance_uid
    assert set(outcome.seconds) == {"read", "localize", "segment", "measure", "report", "write"}
    assert outcome.peak_rss_mb > 10


def test_result_matches_the_published_schema(tmp_path: Path) -> None:
    """result.json is valid by docs/result.schema.json."""
    job = write_stack(Stack(), tmp_path / "ct")
    process(job, networks=KNOWN)
    result = result_of(job)

    jsonschema.validate(result, json.loads(SCHEMA.read_text("utf-8")))
    assert ResultDocument.model_validate(result).mean.levels == ("L1", "L2", "L3", "L4")


def test_published_schema_is_current() -> None:
    """Regenerate with: python -m pipelines.reporting.result_document --schema > docs/result.schema.json."""
    assert SCHEMA.read_text("utf-8") == schema_text()


def test_done_job_is_not_done_again(tmp_path: Path) -> None:
    """An outcome that exists is returned as it is."""
    job = write_stack(Stack(), tmp_path / "ct")
    first = process(job, networks=KNOWN)

    again = process(
        job, networks=Networks(localize=never, segment=known_segmentation, secondary={})
    )

    assert again == first


def test_header_gate_runs_before_any_network(tmp_path: Path) -> None:
    """A minor is not processed: SR only, with the reason."""
    job = write_stack(Stack(header={"PatientAge": "012Y"}), tmp_path / "ct")

    outcome = process(
        job, networks=Networks(localize=never, segment=known_segmentation, secondary={})
    )

    assert (outcome.status, outcome.reasons) == (Status.NOT_REPORTED, (Reason.MINOR,))
    assert [made.kind for made in outcome.objects] == ["sr"]
    jsonschema.validate(result_of(job), json.loads(SCHEMA.read_text("utf-8")))


def test_stations_report_when_they_begin_and_end(tmp_path: Path) -> None:
    """One event at the start and one at the end of each."""
    events: list[StationEvent] = []
    process(write_stack(Stack(), tmp_path / "ct"), networks=KNOWN, listener=events.append)

    assert [e.station for e in events if e.seconds is None] == [
        "read",
        "localize",
        "segment",
        "measure",
        "report",
        "write",
    ]
    assert len([e for e in events if e.seconds is not None]) == 6
