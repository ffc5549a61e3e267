"""Find jobs that no worker runs, to enqueue them again.

Takes  JobRow
Gives  JobRow
Next   node.jobs.collect

A worker holds the lock in the folder of its job as long as it runs it; the kernel releases the lock
when the worker ends in any way. Enqueuing twice is harmless (``pipelines.contract.job``).
"""

import fcntl
import time
from collections.abc import Iterable
from pathlib import Path

from node.ledger.records import JobRow
from pipelines.contract.job import ATTEMPTS_FILE, LOCK_FILE


def is_in_work(folder: Path) -> bool:
    """Whether a worker holds the job's lock."""
    try:
        with (folder / LOCK_FILE).open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False
    except FileNotFoundError:
        return False


def was_begun_since(folder: Path, moment: float) -> bool:
    """Whether a worker started the job after ``moment``. Without a lock, that worker has died."""
    try:
        return (folder / ATTEMPTS_FILE).stat().st_mtime > moment
    except FileNotFoundError:
        return False


def jobs_to_enqueue(
    jobs: Iterable[JobRow], *, requeue_after_s: float, started_at: float
) -> list[JobRow]:
    """Jobs that the broker does not have, or may have lost.

    Parameters
    ----------
    started_at
        Start of this process. Jobs that were enqueued before are enqueued again, because the
        broker may have lost its messages.
    """
    now = time.time()
    return [
        job
        for job in jobs
        if (
            job.enqueued_at is None
            or job.enqueued_at < started_at
            or now - job.enqueued_at > requeue_after_s
            or was_begun_since(Path(job.folder), job.enqueued_at)
        )
        and not is_in_work(Path(job.folder))
    ]
