"""Attempts at a job: one at a time, a few in all, and always an outcome."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from models.errors import OutOfMemory
from pipelines.contract.durable import write_outcome
from pipelines.contract.findings import Status
from pipelines.contract.job import (
    ATTEMPTS_FILE,
    JOB_FILE,
    LOCK_FILE,
    MAX_ATTEMPTS,
    TASK_NAME,
    Job,
    JobInstance,
    Outcome,
    read_outcome,
)
from pipelines.contract.reasons import Reason
from pipelines.errors import GeometryMismatch, UnreadablePixels
from pipelines.worker.app import enqueue, make_app
from pipelines.worker.attempt import attempt, read_job
from tests.peers.waiting import wait_until


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Job in its folder."""
    one = Job(
        key="k" * 32,
        study_instance_uid="1.2",
        series_instance_uid="1.3",
        instances=(),
        output_folder=str(tmp_path),
        model_set="test",
    )
    (tmp_path / JOB_FILE).write_text(one.model_dump_json())
    return one


def succeed(job: Job) -> Outcome:
    outcome = Outcome(
        job_key=job.key,
        status=Status.RESULT,
        reasons=(),
        objects=(),
        failure=None,
        seconds={},
        peak_rss_mb=1,
    )
    write_outcome(Path(job.output_folder), outcome)
    return outcome


def never(job: Job) -> Outcome:
    raise AssertionError("may not run")


def starts(job: Job) -> int:
    return len((Path(job.output_folder) / ATTEMPTS_FILE).read_text().splitlines())


def test_job_survives_the_way_through_its_file(job: Job) -> None:
    """job.json is the job."""
    assert read_job(Path(job.output_folder)) == job


def test_job_file_of_an_earlier_version_can_be_read(job: Job) -> None:
    """An unfinished job of 0.1.0 continues: fields that were dropped are ignored."""
    file = Path(job.output_folder) / JOB_FILE
    dropped = {"pipelines": ["lumbar"], "flags": []}
    file.write_text(json.dumps(json.loads(file.read_text()) | dropped))

    assert read_job(Path(job.output_folder)) == job


def test_start_is_on_record_before_the_work_begins(job: Job) -> None:
    """The start of a worker that died stays recorded."""
    seen = []

    def look(one: Job) -> Outcome:
        seen.append(starts(one))
        return succeed(one)

    attempt(job, look)

    assert seen == [1]


def test_second_delivery_of_a_running_job_returns_at_once(job: Job) -> None:
    """The lock is held elsewhere: nothing runs, nothing is written."""
    with (Path(job.output_folder) / LOCK_FILE).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        assert attempt(job, succeed) is None

    assert read_outcome(Path(job.output_folder)) is None


def test_delivery_of_a_finished_job_does_nothing(job: Job) -> None:
    """Redelivery after the outcome costs one read."""
    first = attempt(job, succeed)

    assert attempt(job, never) == first
    assert starts(job) == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UnreadablePixels("x"), Reason.UNREADABLE_PIXELS),
        (GeometryMismatch("x"), Reason.UNREADABLE_GEOMETRY),
        (OutOfMemory("x"), Reason.OUT_OF_MEMORY),
        (MemoryError(), Reason.OUT_OF_MEMORY),
        (SoftTimeLimitExceeded(), Reason.TIME_LIMIT),
        (ZeroDivisionError("Doe^John"), Reason.INTERNAL_ERROR),
    ],
)
def test_every_error_becomes_an_outcome(job: Job, error: Exception, reason: Reason) -> None:
    """The outcome has the reason, without the text of an unknown error."""

    def fail(one: Job) -> Outcome:
        raise error

    outcome = attempt(job, fail)

    assert outcome is not None
    assert outcome.failure is not None
    assert outcome.failure.reason == reason
    assert "Doe" not in outcome.failure.detail
    assert read_outcome(Path(job.output_folder)) == outcome


def test_job_that_kills_its_workers_fails_in_the_end(job: Job) -> None:
    """More starts than allowed without an outcome: it is not tried again."""
    folder = Path(job.output_folder)
    (folder / ATTEMPTS_FILE).write_text("died\n" * MAX_ATTEMPTS)

    outcome = attempt(job, never)

    assert outcome is not None
    assert outcome.failure is not None
    assert outcome.failure.reason == Reason.WORKER_DIED


def test_command_prints_progress_as_json_lines(job: Job) -> None:
    """`python -m pipelines process JOB.json`: a line per event, the last one the outcome."""
    run = subprocess.run(
        [sys.executable, "-m", "pipelines", "process", str(Path(job.output_folder) / JOB_FILE)],
        capture_output=True,
        text=True,
        check=False,
    )
    events = [json.loads(line) for line in run.stdout.splitlines()]

    assert run.returncode == 1
    assert events[0] == {"event": "station_started", "station": "read"}
    assert events[-1]["outcome"]["failure"]["reason"] == "unreadable_geometry"


@contextmanager
def running_worker(folder: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker process on the embedded broker."""
    command = [sys.executable, "-m", "pipelines.worker", "--broker=embedded"]
    with (folder / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [*command, f"--embedded-folder={folder / 'broker'}", *options], stdout=log, stderr=log
        )
    try:
        yield worker
    finally:
        worker.terminate()
        worker.wait(30)


def outcome_by(job: Job, worker: subprocess.Popen[bytes]) -> Outcome:
    folder = Path(job.output_folder)
    wait_until(
        lambda: read_outcome(folder) is not None or worker.poll() is not None, 90, what="outcome"
    )
    outcome = read_outcome(folder)
    assert outcome is not None, (folder / "worker.log").read_text()[-3000:]
    return outcome


def stuck(job: Job) -> Job:
    """The job with an instance that can never be read: a pipe without a writer."""
    pipe = Path(job.output_folder) / "stuck.dcm"
    os.mkfifo(pipe)
    instance = JobInstance(sop_instance_uid="1.4", path=str(pipe))
    stuck_job = job.model_copy(update={"instances": (instance,)})
    (Path(job.output_folder) / JOB_FILE).write_text(stuck_job.model_dump_json())
    return stuck_job


def is_running(job: Job) -> bool:
    """Whether a process holds the lock of the job."""
    path = Path(job.output_folder) / LOCK_FILE
    if not path.exists():
        return False
    with path.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_worker_takes_a_job_from_the_embedded_broker(job: Job, tmp_path: Path) -> None:
    """A message, a worker process, an outcome; then it stops at SIGTERM."""
    app = make_app("embedded", embedded_folder=tmp_path / "broker")
    with running_worker(tmp_path) as worker:
        enqueue(app, job)
        outcome = outcome_by(job, worker)

    assert outcome.failure is not None
    assert outcome.failure.reason == Reason.UNREADABLE_GEOMETRY
    assert TASK_NAME in (tmp_path / "worker.log").read_text()


def test_job_over_the_time_limit_ends_with_that_reason(job: Job, tmp_path: Path) -> None:
    """The worker interrupts the task, and the task still writes the reason."""
    app = make_app("embedded", embedded_folder=tmp_path / "broker")
    with running_worker(tmp_path, "--time-limit-s=3") as worker:
        enqueue(app, stuck(job))
        outcome = outcome_by(job, worker)

    assert outcome.failure is not None
    assert outcome.failure.reason == Reason.TIME_LIMIT


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal")
def test_killed_worker_leaves_no_running_child(job: Job, tmp_path: Path) -> None:
    """kill -9 of the worker frees the lock: the job can start again at once."""
    app = make_app("embedded", embedded_folder=tmp_path / "broker")
    with running_worker(tmp_path) as worker:
        enqueue(app, stuck(job))
        wait_until(lambda: is_running(job), 60, what="start of the job")
        worker.kill()
        wait_until(lambda: not is_running(job), 20, what="free lock")

    assert read_outcome(Path(job.output_folder)) is None
    assert starts(job) == 1
