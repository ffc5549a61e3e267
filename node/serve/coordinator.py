"""The process between intake and PACS: reads headers, decides, dispatches, collects, delivers.

Its whole state is in the ledger, so that it can be killed and started again at any moment. Each
destination has its own thread, because a PACS that does not answer can block for long.
"""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from node.config import Destination, Settings
from node.delivery.outbox import abandon_unknown, deliver_due
from node.errors import LedgerError
from node.intake.lost_files import check_files
from node.jobs.collect import collect
from node.jobs.decision import give_up, lacks_slices, plan, records_of
from node.jobs.dispatch import make_job, write_job
from node.jobs.recovery import jobs_to_enqueue
from node.jobs.site_table import SiteTable
from node.ledger.ledger import Ledger
from node.ledger.records import JobRow, StudySnapshot
from node.series.index import read_header
from node.series.routing import destinations_for, radiomics_destinations
from node.series.selection import Selection
from node.waiting import pause
from pipelines.contract.job import JOB_FILE, Job
from pipelines.contract.reasons import Reason
from pipelines.worker.app import enqueue, make_app

log = structlog.get_logger(__name__)

ROUND_S: Final = 0.2
HEADERS_PER_ROUND: Final = 500
LEDGER_WAIT_S: Final = 2.0
"""Pause after an error of the database."""
LOOK_AGAIN_S: Final = 1.0
"""Wait before a study that lacks slices, or cannot be written, is considered again."""


@dataclass(slots=True)
class Coordinator:
    """Runs the stations in one coordinator process."""

    settings: Settings
    ledger: Ledger
    app: Celery
    started_at: float = field(default_factory=time.time)
    density_table: SiteTable = field(init=False)
    is_broker_down: bool = False
    look_again_at: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.density_table = SiteTable(self.settings.density_table_file)

    def round(self) -> None:
        """One round through all stations."""
        self.read_headers()
        rules = self.settings.series
        now = time.time()
        quiet_since = now - max(rules.quiet_time_s, rules.study_quiet_time_s)
        for study in self.ledger.studies.quiet(quiet_since):
            if self.look_again_at.get(study, 0.0) <= now:
                self.consider(study)
        abandon_unknown(self.ledger, self.settings)
        jobs = self.ledger.jobs.unfinished()
        if self._collect(jobs):
            jobs = self.ledger.jobs.unfinished()
        self.enqueue(jobs)

    def read_headers(self) -> None:
        """Record the headers of new objects in the ledger."""
        unread = self.ledger.received.without_header(HEADERS_PER_ROUND)
        if unread:
            self.ledger.received.record_headers(
                {uid: read_header(Path(path)) for uid, path in unread}
            )

    def consider(self, study_instance_uid: str) -> None:
        """Decide about a quiet study; an error in one study must not stop the others."""
        self.look_again_at[study_instance_uid] = time.time() + LOOK_AGAIN_S
        seen = self.ledger.studies.snapshot(study_instance_uid)
        try:
            is_decided = self._decide(seen)
        except LedgerError:
            raise
        except OSError as error:
            log.error("study_postponed", study=study_instance_uid, error=str(error))  # noqa: TRY400
            return
        except Exception:
            log.exception("study_failed", study=study_instance_uid)
            is_decided = self.ledger.studies.decide(give_up(seen), seen=seen)
        if is_decided:
            del self.look_again_at[study_instance_uid]

    def _decide(self, seen: StudySnapshot) -> bool:
        """Decide, or return ``False`` if objects may still arrive or a result is being sent."""
        if any(one.header is None for one in seen.instances):
            return False
        records = records_of(seen)
        quiet_s = time.time() - seen.last_received_at
        if quiet_s < self.settings.series.incomplete_wait_s and lacks_slices(seen, records):
            return False
        planned = plan(seen, records, self.ledger, self._make_job)
        if planned.job:
            write_job(planned.job)
        if not self.ledger.studies.decide(planned.decision, seen=seen):
            return False
        for loser in planned.losers:
            log.info("series_skipped", series=loser.series_instance_uid, reason=loser.reason)
        if planned.job and planned.selection:
            log.info(
                "series_chosen",
                series=planned.job.series_instance_uid,
                job=planned.job.key,
                score=planned.selection.score,
                slices=planned.selection.stack.slices,
            )
        return True

    def _make_job(self, selection: Selection) -> Job:
        return make_job(
            selection,
            self.settings.work_folder,
            density_table=self.density_table.current(),
            radiomics=bool(radiomics_destinations(self.settings)),
            radiomics_engine=self.settings.radiomics.engine,
        )

    def _collect(self, jobs: list[JobRow]) -> int:
        return collect(
            self.ledger,
            jobs,
            destinations_for(self.settings),
            radiomics_for=radiomics_destinations(self.settings),
        )

    def enqueue(self, jobs: list[JobRow]) -> None:
        """Send jobs to the broker that it does not have; a later round repeats failed tries."""
        waiting = jobs_to_enqueue(
            jobs,
            requeue_after_s=self.settings.jobs.requeue_after_s,
            started_at=self.started_at,
        )
        for row in waiting:
            try:
                text = (Path(row.folder) / JOB_FILE).read_text(encoding="utf-8")
                job = Job.model_validate_json(text)
            except (OSError, ValueError) as error:
                log.error("job_file_unreadable", job=row.key, error=str(error))  # noqa: TRY400
                self.ledger.jobs.fail(row.key, Reason.INTERNAL_ERROR)
                continue
            try:
                enqueue(self.app, job)
            except (OperationalError, OSError) as error:  # OSError: the embedded broker's disk
                if not self.is_broker_down:
                    log.warning(
                        "broker_unreachable", error=str(error), remedy="start the broker; jobs wait"
                    )
                self.is_broker_down = True
                return
            self.is_broker_down = False
            self.ledger.jobs.mark_enqueued(row.key)
            log.info("job_enqueued", job=row.key)


def run(settings: Settings, stop_event: threading.Event) -> None:
    """Work until the stop event; after an error of the ledger, try again."""
    ledger = Ledger.open(settings.ledger_url)
    app = make_app(
        settings.queue.broker,
        embedded_folder=settings.queue_folder,
        time_limit_s=settings.worker.time_limit_s,
    )
    coordinator = Coordinator(settings=settings, ledger=ledger, app=app)
    senders = [
        threading.Thread(
            target=_deliver,
            args=(settings, ledger, destination, stop_event),
            name=f"delivery-{destination.name}",
            daemon=True,
        )
        for destination in settings.destinations
    ]
    lost = check_files(ledger, stop_event)
    log.info("coordinator_started", missing=lost)
    for sender in senders:
        sender.start()
    while not pause(stop_event, ROUND_S):
        if not all(sender.is_alive() for sender in senders):
            log.error("delivery_died")  # the supervisor restarts this process
            raise SystemExit(1)
        try:
            coordinator.round()
        except LedgerError as error:
            log.error("ledger_unavailable", error=str(error))  # noqa: TRY400  one line, no traceback
            pause(stop_event, LEDGER_WAIT_S)
    for sender in senders:
        sender.join(settings.delivery.response_timeout_s)
    ledger.close()


def _deliver(
    settings: Settings, ledger: Ledger, destination: Destination, stop_event: threading.Event
) -> None:
    while not pause(stop_event, ROUND_S):
        try:
            deliver_due(ledger, settings, destination)
        except LedgerError as error:
            log.error("ledger_unavailable", error=str(error))  # noqa: TRY400  one line, no traceback
            pause(stop_event, LEDGER_WAIT_S)
