"""The Celery application: broker settings that the node and the workers share. Torch-free.

The embedded default is kombu's file-system transport: no server to install, messages are files
under the spool. A URL selects Redis instead. Either may lose all messages without harm, because
the ledger enqueues unfinished jobs again and jobs are idempotent (``pipelines.contract.job``).
"""

from pathlib import Path
from typing import Final

from celery import Celery

from pipelines.contract.job import TASK_NAME, Job

QUEUE: Final = "examinations"
VISIBILITY_TIMEOUT_S: Final = 4 * 3600
"""Longer than any job. A lost worker is detected by its lock, not by this time-out."""
EMBEDDED_POLL_S: Final = 0.1
SOFT_SHARE: Final = 0.9
"""Of the hard limit: the task is interrupted then and can still write its outcome."""


def make_app(broker: str, *, embedded_folder: Path, time_limit_s: int = 1800) -> Celery:
    """Celery application on one broker.

    Parameters
    ----------
    broker
        ``"embedded"`` or a kombu URL (``redis://...``).
    embedded_folder
        Where the embedded broker keeps its message files; made if it is missing.
    time_limit_s
        Hard limit of one task.
    """
    app = Celery("osteonode", include=["pipelines.worker.tasks"])
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        task_default_queue=QUEUE,
        task_time_limit=time_limit_s,
        task_soft_time_limit=max(1, int(SOFT_SHARE * time_limit_s)),
        broker_connection_retry_on_startup=True,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        task_send_sent_event=False,
    )
    if broker == "embedded":
        app.conf.update(_embedded(embedded_folder))
    else:
        app.conf.update(
            broker_url=broker,
            broker_transport_options={"visibility_timeout": VISIBILITY_TIMEOUT_S},
        )
    return app


def _embedded(folder: Path) -> dict[str, object]:
    messages, control = folder / "messages", folder / "control"
    for part in (messages, control):
        part.mkdir(parents=True, exist_ok=True)
    return {
        "broker_url": "filesystem://",
        "broker_transport_options": {
            "data_folder_in": str(messages),
            "data_folder_out": str(messages),
            "control_folder": str(control),
            "polling_interval": EMBEDDED_POLL_S,
        },
    }


def enqueue(app: Celery, job: Job) -> None:
    """Queue a job: the message holds the path of its folder and nothing else."""
    app.send_task(TASK_NAME, args=[job.output_folder], task_id=job.key)
