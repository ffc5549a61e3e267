"""Selection to job folder, and what is enqueued again."""

import fcntl
import time

import pytest

from node.jobs.dispatch import make_job, write_job
from node.jobs.recovery import is_in_work, jobs_to_enqueue
from node.ledger.records import JobRow
from node.ledger.states import JobState
from node.series.selection import Selection, select_series
from pipelines.contract.job import ATTEMPTS_FILE, JOB_FILE, LOCK_FILE, Job
from tests.node.series_objects import ct_series, record


@pytest.fixture
def selection() -> Selection:
    """A selected series."""
    chosen, _ = select_series([record(ct_series(20))])
    assert chosen is not None
    return chosen


def test_a_job_names_every_object_of_the_series(selection, tmp_path):
    """The job is equal after it is written and read."""
    job = make_job(selection, tmp_path)
    path = write_job(job)
    assert path == tmp_path / job.key / JOB_FILE
    assert Job.model_validate_json(path.read_text()) == job
    assert len(job.instances) == 20


def test_the_same_content_has_the_same_key_in_any_order(selection, tmp_path):
    """The key is a digest of the content, not of the arrival."""
    other, _ = select_series([record(ct_series(20)[::-1])])
    assert other is not None
    assert make_job(other, tmp_path).key == make_job(selection, tmp_path).key


def test_one_more_slice_changes_the_key(selection, tmp_path):
    """A late slice makes another job."""
    other, _ = select_series([record(ct_series(21))])
    assert other is not None
    assert make_job(other, tmp_path).key != make_job(selection, tmp_path).key


def test_a_job_file_that_is_there_is_not_written_again(selection, tmp_path):
    """A worker may be reading it."""
    job = make_job(selection, tmp_path)
    before = write_job(job).stat().st_mtime_ns
    assert write_job(job).stat().st_mtime_ns == before


def test_a_job_whose_worker_died_is_enqueued_again_at_once(tmp_path):
    """The job was started, no process holds the lock, there is no outcome."""
    enqueued_at = time.time() - 5
    jobs = [row(str(tmp_path), enqueued_at=enqueued_at)]
    assert jobs_to_enqueue(jobs, requeue_after_s=60, started_at=0) == []
    (tmp_path / ATTEMPTS_FILE).write_text("begun")
    assert jobs_to_enqueue(jobs, requeue_after_s=60, started_at=0) == jobs


def row(folder: str, *, enqueued_at: float | None) -> JobRow:
    return JobRow(
        key="k",
        folder=folder,
        state=JobState.QUEUED,
        created_at=time.time(),
        enqueued_at=enqueued_at,
    )


@pytest.mark.parametrize(
    ("age_s", "again"), [(None, True), (1.0, False), (100.0, True), (1e6, True)]
)
def test_jobs_that_the_broker_may_have_lost_are_enqueued_again(tmp_path, age_s, again):
    """Never enqueued, enqueued long ago, or before this process started."""
    enqueued_at = None if age_s is None else time.time() - age_s
    jobs = [row(str(tmp_path), enqueued_at=enqueued_at)]
    found = jobs_to_enqueue(jobs, requeue_after_s=60, started_at=time.time() - 1000)
    assert bool(found) is again


def test_a_job_in_work_is_left_alone(tmp_path):
    """While the worker holds the lock, and not after."""
    jobs = [row(str(tmp_path), enqueued_at=None)]
    with (tmp_path / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert is_in_work(tmp_path)
        assert jobs_to_enqueue(jobs, requeue_after_s=0, started_at=0) == []
    assert not is_in_work(tmp_path)
    assert jobs_to_enqueue(jobs, requeue_after_s=0, started_at=0) == jobs
