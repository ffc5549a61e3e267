"""Run attempts at a job: one at a time, at most three, always with an outcome."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
from celery.exceptions import SoftTimeLimitExceeded

from pipelines.contract.durable import sync_folder, write_outcome
from pipelines.contract.job import (
    ATTEMPTS_FILE,
    JOB_FILE,
    LOCK_FILE,
    MAX_ATTEMPTS,
    Failure,
    Job,
    Outcome,
    read_outcome,
)
from pipelines.contract.progress import peak_rss_mb
from pipelines.contract.reasons import Reason
from pipelines.errors import GeometryMismatch, PipelineError, UnreadablePixels

log = structlog.get_logger()

REASON_OF: Final[dict[type[PipelineError], Reason]] = {
    UnreadablePixels: Reason.UNREADABLE_PIXELS,
    GeometryMismatch: Reason.UNREADABLE_GEOMETRY,
}


def read_job(folder: Path) -> Job:
    """Job that lies in an output folder."""
    return Job.model_validate_json((folder / JOB_FILE).read_text(encoding="utf-8"))


def attempt(job: Job, process: Callable[[Job], Outcome]) -> Outcome | None:
    """Run one job to its outcome; ``None`` while another worker runs it.

    Every error ends here, as the outcome of the job: this is the edge between the pipelines and
    the queue.
    """
    folder = Path(job.output_folder)
    folder.mkdir(parents=True, exist_ok=True)
    with structlog.contextvars.bound_contextvars(job=job.key), _sole_worker(folder) as alone:
        if not alone:
            log.info("job_already_running")
            return None
        done = read_outcome(folder)
        if done is not None:
            return done
        if _starts(folder) >= MAX_ATTEMPTS:
            return _fail(job, Reason.WORKER_DIED, f"{MAX_ATTEMPTS} starts without an outcome")
        _record_start(folder)
        log.info("job_started", instances=len(job.instances))
        outcome = _run(job, process)
        log.info("job_finished", status=outcome.status, seconds=outcome.seconds)
        return outcome


def _run(job: Job, process: Callable[[Job], Outcome]) -> Outcome:
    try:
        return process(job)
    except SoftTimeLimitExceeded:
        return _fail(job, Reason.TIME_LIMIT, "soft time limit of the task")
    except PipelineError as error:
        return _fail(job, REASON_OF.get(type(error), Reason.INTERNAL_ERROR), str(error))
    except MemoryError as error:  # also models.errors.OutOfMemory
        detail = str(error) or "the process could not get more memory"
        return _fail(job, Reason.OUT_OF_MEMORY, detail)
    except Exception as error:
        log.exception("job_crashed")
        return _fail(job, Reason.INTERNAL_ERROR, type(error).__name__)


def _fail(job: Job, reason: Reason, detail: str) -> Outcome:
    log.error("job_failed", reason=reason, detail=detail)
    outcome = Outcome(
        job_key=job.key,
        status=None,
        reasons=(),
        objects=(),
        failure=Failure(reason=reason, detail=detail),
        seconds={},
        peak_rss_mb=peak_rss_mb(),
    )
    write_outcome(Path(job.output_folder), outcome)
    return outcome


@contextmanager
def _sole_worker(folder: Path) -> Iterator[bool]:
    """Whether this process got the lock of the job; the kernel frees it when the process ends."""
    with (folder / LOCK_FILE).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _starts(folder: Path) -> int:
    try:
        return len((folder / ATTEMPTS_FILE).read_text("ascii").splitlines())
    except FileNotFoundError:
        return 0


def _record_start(folder: Path) -> None:
    """Record the start durably before the work begins, so that it counts if the worker dies."""
    with (folder / ATTEMPTS_FILE).open("a", encoding="ascii") as file:
        file.write(f"{datetime.now(UTC).isoformat()} pid {os.getpid()}\n")
        file.flush()
        os.fsync(file.fileno())
    sync_folder(folder)
