"""Celery tasks: a message holds the path of an output folder, which contains the job."""

from pathlib import Path

from celery import shared_task

from pipelines.contract.job import TASK_NAME
from pipelines.run import process
from pipelines.worker.attempt import attempt, read_job


@shared_task(name=TASK_NAME)  # type: ignore[untyped-decorator]  # celery has no types
def process_examination(output_folder: str) -> None:
    """Process the job of one output folder; its result is ``outcome.json``."""
    attempt(read_job(Path(output_folder)), process)
