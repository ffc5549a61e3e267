"""The coordinator as a process: its decisions, also after kills at any moment."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from node.config import Settings
from node.ledger.ledger import Ledger
from pipelines.contract.findings import Status
from pipelines.contract.job import OUTCOME_FILE, Job, Outcome, OutputObject
from tests.node.delivery.test_delivery import result_file
from tests.node.series_objects import ct_image, ct_series, stored
from tests.peers.dcmtk import running_storescp
from tests.peers.waiting import wait_until

pytestmark = pytest.mark.peer("dcmtk")


def settings_for(folder: Path, port: int = 1) -> Settings:
    return Settings.model_validate(
        {
            "node": {"data_folder": folder / "data"},
            "series": {"quiet_time_s": 0.3, "study_quiet_time_s": 0.3, "incomplete_wait_s": 1.5},
            "delivery": {"first_retry_s": 0.2},
            "destinations": [
                {"name": "pacs", "ae_title": "STORESCP", "host": "127.0.0.1", "port": port}
            ],
        }
    )


def start(settings: Settings) -> subprocess.Popen[str]:
    settings.run_folder.mkdir(parents=True, exist_ok=True)
    mark = settings.run_folder / "coordinator.ready"
    mark.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "node.serve.child", "coordinator"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(settings.model_dump_json())
    process.stdin.close()
    wait_until(mark.exists, 30, what="the coordinator")
    return process


def stop(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> None:
    os.kill(process.pid, number)
    process.wait(20)


def fill(ledger: Ledger, folder: Path, images) -> None:
    for image in images:
        ledger.received.record(stored(image, folder / "in"))


def finish(job: Job, objects: list[OutputObject]) -> None:
    """Write the outcome that a worker would write."""
    outcome = Outcome(
        job_key=job.key,
        status=Status.RESULT,
        reasons=(),
        objects=tuple(objects),
        failure=None,
        seconds={},
        peak_rss_mb=1.0,
    )
    (Path(job.output_folder) / OUTCOME_FILE).write_text(outcome.model_dump_json())


def jobs(settings: Settings) -> list[Job]:
    paths = settings.work_folder.glob("*/job.json")
    return [Job.model_validate_json(path.read_text()) for path in paths]


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        (ct_series(3), "too_few_slices"),
        ([image for k, image in enumerate(ct_series(30)) if k != 14], "missing_slices"),
        (ct_series(2, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "localizer"),
        (ct_series(30, RescaleType="US"), "not_hounsfield"),
    ],
    ids=["three slices", "a hole", "scout", "no HU"],
)
def test_a_series_that_cannot_be_measured_is_skipped_with_its_reason(tmp_path, images, reason):
    """No job, every object skipped, the ledger balances."""
    settings = settings_for(tmp_path)
    ledger = Ledger.open(settings.ledger_url)
    fill(ledger, tmp_path, images)
    process = start(settings)
    wait_until(lambda: ledger.balance().waiting == 0, 20, what="a decision")
    stop(process)
    assert ledger.balance().reasons == {reason: len(images)}
    assert jobs(settings) == []
    ledger.close()


def test_an_unreadable_object_is_skipped_and_the_rest_is_measured(tmp_path):
    """One object without a position beside a whole stack."""
    settings = settings_for(tmp_path)
    ledger = Ledger.open(settings.ledger_url)
    blind = ct_image(number=99)
    del blind.ImagePositionPatient
    fill(ledger, tmp_path, [*ct_series(30), blind])
    process = start(settings)
    wait_until(lambda: jobs(settings), 20, what="a job")
    wait_until(lambda: ledger.balance().skipped == 1, 20, what="the skipped object")
    stop(process)
    assert len(jobs(settings)[0].instances) == 30
    assert ledger.balance().reasons == {"unreadable_geometry": 1}
    ledger.close()


def test_killed_again_and_again_the_coordinator_makes_one_job_and_one_delivery(tmp_path):
    """kill -9 at eight moments from arrival to delivery."""
    with running_storescp(tmp_path / "pacs") as pacs:
        settings = settings_for(tmp_path, pacs.port)
        ledger = Ledger.open(settings.ledger_url)
        fill(ledger, tmp_path, ct_series(40))
        made = [result_file(tmp_path, "seg", 201), result_file(tmp_path, "sr", 202)]
        for moment in range(8):
            process = start(settings)
            if moment > 3:
                finish(wait_until(lambda: jobs(settings), 20, what="a job")[0], made)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.2 * moment)
            stop(process, signal.SIGKILL)
            assert ledger.balance().is_balanced
        process = start(settings)
        wait_until(lambda: ledger.balance().delivered == 40, 30, what="delivery")
        stop(process)
        assert len(jobs(settings)) == 1
        assert len(list(pacs.folder.iterdir())) == 2
        ledger.close()


def test_a_late_slice_makes_a_new_job_that_names_the_delivered_report(tmp_path):
    """The new report replaces the old one."""
    with running_storescp(tmp_path / "pacs") as pacs:
        settings = settings_for(tmp_path, pacs.port)
        ledger = Ledger.open(settings.ledger_url)
        fill(ledger, tmp_path, ct_series(40))
        process = start(settings)
        wait_until(lambda: jobs(settings), 20, what="the first job")
        first = jobs(settings)[0]
        finish(first, [result_file(tmp_path, "sr", 202)])
        wait_until(lambda: ledger.balance().delivered == 40, 20, what="delivery")
        fill(ledger, tmp_path, [ct_image(number=41)])
        wait_until(lambda: len(jobs(settings)) == 2, 20, what="the second job")
        stop(process)
        second = next(job for job in jobs(settings) if job.key != first.key)
        assert second.predecessor is not None
        assert second.predecessor.path == str(tmp_path / "sr.dcm")
        assert len(second.instances) == 41
        ledger.close()


def test_the_message_on_the_queue_carries_a_path_and_no_patient_data(tmp_path):
    """The embedded broker's files hold the job folder, nothing of the header."""
    settings = settings_for(tmp_path)
    ledger = Ledger.open(settings.ledger_url)
    fill(ledger, tmp_path, ct_series(30))
    process = start(settings)
    messages = settings.queue_folder / "messages"
    found = wait_until(lambda: list(messages.glob("*.msg")), 20, what="a message")
    stop(process)
    text = json.dumps(json.loads(found[0].read_text()))
    assert "VIRTUAL" not in text
    ledger.close()


@pytest.mark.parametrize("name", ["job.json", "outcome.json"])
def test_a_damaged_job_fails_and_other_studies_are_decided(tmp_path, name):
    """The next study is still decided."""
    settings = settings_for(tmp_path)
    ledger = Ledger.open(settings.ledger_url)
    fill(ledger, tmp_path, ct_series(30))
    process = start(settings)
    wait_until(ledger.jobs.unfinished, 20, what="a job in the ledger")
    stop(process, signal.SIGKILL)
    (Path(jobs(settings)[0].output_folder) / name).write_text("{")
    fill(ledger, tmp_path, ct_series(30, study="2.25.31", series="2.25.32"))
    process = start(settings)
    wait_until(lambda: ledger.balance().failed == 30, 20, what="the damaged job to fail")
    wait_until(lambda: len(ledger.jobs.unfinished()) == 1, 20, what="the other study's job")
    stop(process)
    assert ledger.balance().reasons == {"internal_error": 30}
    ledger.close()
