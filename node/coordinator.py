"""The process between intake and PACS: reads headers, decides, dispatches, collects, delivers.

Takes  StoredInstance
Gives  Job
Next   node.jobs.dispatch

It keeps nothing in memory that the ledger does not have: kill it at any moment, start it again,
and it goes on. Delivery runs in a thread of its own, because a silent PACS may hold it for long.
"""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from node.config import Settings
from node.delivery.outbox import deliver_due
from node.errors import LedgerError
from node.jobs.collect import collect
from node.jobs.density import SiteTable
from node.jobs.dispatch import make_job, write_job
from node.jobs.recovery import jobs_to_enqueue
from node.ledger.ledger import Decision, JobRow, Ledger, StudySnapshot
from node.series.completeness import stack_of
from node.series.index import SeriesRecord, read_header, series_record
from node.series.routing import destinations_for, radiomics_destinations
from node.series.selection import Selection, select_series
from node.waiting import pause
from pipelines.job import JOB_FILE, Job, Predecessor
from pipelines.queue import enqueue, make_app
from pipelines.reasons import Reason

log = structlog.get_logger(__name__)

ROUND_S = 0.2
HEADERS_PER_ROUND = 500


@dataclass(slots=True)
class Coordinator:
    """What one coordinator process needs."""

    settings: Settings
    ledger: Ledger
    app: Celery
    started_at: float = field(default_factory=time.time)
    density_table: SiteTable = field(init=False)
    broker_is_silent: bool = False

    def __post_init__(self) -> None:
        self.density_table = SiteTable(self.settings.density_table_file)

    def round(self) -> None:
        """One round through all stations."""
        self.read_headers()
        for study in self.ledger.open_studies():
            self.consider(study)
        jobs = self.ledger.unfinished_jobs()
        if self._collect(jobs):
            jobs = self.ledger.unfinished_jobs()
        self.enqueue(jobs)

    def read_headers(self) -> None:
        """Take the headers of new objects into the ledger."""
        unread = self.ledger.unread_instances(HEADERS_PER_ROUND)
        if unread:
            self.ledger.record_headers({uid: read_header(Path(path)) for uid, path in unread})

    def consider(self, study_instance_uid: str) -> None:
        """Decide about a study that is quiet and whole."""
        seen = self.ledger.study(study_instance_uid)
        if any(one.header is None for one in seen.instances):
            return
        quiet_s = time.time() - seen.last_received_at
        rules = self.settings.series
        if quiet_s < max(rules.quiet_time_s, rules.study_quiet_time_s):
            return
        records = records_of(seen)
        if self._should_wait(records, seen, quiet_s):
            return
        self._decide(seen, records)

    def _should_wait(
        self, records: list[SeriesRecord], seen: StudySnapshot, quiet_s: float
    ) -> bool:
        """Whether slices may still be on their way."""
        if quiet_s >= self.settings.series.incomplete_wait_s:
            return False
        return any(
            stack_of(record).flaw is Reason.MISSING_SLICES
            for record in records
            if record.series_instance_uid in seen.open_series
        )

    def _decide(self, seen: StudySnapshot, records: list[SeriesRecord]) -> None:
        selection, losers = select_series(records)
        job = self._job(selection) if selection else None
        decision = Decision(
            study_instance_uid=seen.study_instance_uid,
            job_key=job.key if job else None,
            job_folder=job.output_folder if job else None,
            chosen_series=job.series_instance_uid if job else None,
            losers={loser.series_instance_uid: loser.reason for loser in losers},
            skipped_instances=_unusable(selection),
        )
        if job:
            write_job(job)
        if not self.ledger.decide(decision, seen=seen):
            return  # the study grew meanwhile: the next round sees it
        for loser in losers:
            log.info("series_skipped", series=loser.series_instance_uid, reason=loser.reason)
        if job and selection:
            log.info(
                "series_chosen",
                series=job.series_instance_uid,
                job=job.key,
                score=selection.score,
                slices=selection.stack.slices,
            )

    def _job(self, selection: Selection) -> Job:
        table = self.density_table.current()
        radiomics = bool(radiomics_destinations(self.settings))
        draft = make_job(
            selection, self.settings.work_folder, density_table=table, radiomics=radiomics
        )
        report = self.ledger.delivered_report(draft.study_instance_uid, other_than=draft.key)
        if report is None:
            return draft
        return make_job(
            selection,
            self.settings.work_folder,
            predecessor=_predecessor(Path(report)),
            density_table=table,
            radiomics=radiomics,
        )

    def _collect(self, jobs: list[JobRow]) -> int:
        return collect(
            self.ledger,
            jobs,
            destinations_for(self.settings),
            radiomics_for=radiomics_destinations(self.settings),
        )

    def enqueue(self, jobs: list[JobRow]) -> None:
        """Wake workers for jobs that the broker does not have; keep trying while it is silent."""
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
                self.ledger.fail_job(row.key, Reason.INTERNAL_ERROR)
                continue
            try:
                enqueue(self.app, job)
            except OperationalError as error:
                if not self.broker_is_silent:
                    log.warning("broker_silent", error=str(error), remedy="jobs wait; start it")
                self.broker_is_silent = True
                return
            self.broker_is_silent = False
            self.ledger.mark_enqueued(row.key)
            log.info("job_enqueued", job=row.key)


def records_of(seen: StudySnapshot) -> list[SeriesRecord]:
    """One record per series of a study."""
    uids = dict.fromkeys(one.series_instance_uid for one in seen.instances)
    return [
        series_record(
            uid,
            seen.study_instance_uid,
            [
                (one.sop_instance_uid, one.path, one.header or {})
                for one in seen.instances
                if one.series_instance_uid == uid
            ],
        )
        for uid in uids
    ]


def _unusable(selection: Selection | None) -> dict[str, Reason]:
    if selection is None:
        return {}
    return dict.fromkeys(selection.record.unreadable, Reason.UNREADABLE_GEOMETRY)


def _predecessor(report: Path) -> Predecessor:
    """The delivered report that the new one replaces."""
    dataset = pydicom.dcmread(report, stop_before_pixels=True)
    return Predecessor(
        study_instance_uid=str(dataset.StudyInstanceUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        sop_instance_uid=str(dataset.SOPInstanceUID),
        path=str(report),
    )


def run(settings: Settings, stop_event: threading.Event) -> None:
    """Work until the stop event; a ledger that does not answer is asked again."""
    ledger = Ledger.open(settings.ledger_url)
    app = make_app(
        settings.queue.broker,
        embedded_folder=settings.queue_folder,
        time_limit_s=settings.worker.time_limit_s,
    )
    coordinator = Coordinator(settings=settings, ledger=ledger, app=app)
    delivery = threading.Thread(
        target=_deliver, args=(settings, ledger, stop_event), name="delivery", daemon=True
    )
    delivery.start()
    log.info("coordinator_started")
    while not pause(stop_event, ROUND_S):
        if not delivery.is_alive():  # the supervisor starts this process anew
            log.error("delivery_died")
            raise SystemExit(1)
        try:
            coordinator.round()
        except LedgerError as error:
            log.exception("ledger_silent", error=str(error))
    delivery.join(settings.delivery.response_timeout_s)
    ledger.close()


def _deliver(settings: Settings, ledger: Ledger, stop_event: threading.Event) -> None:
    while not pause(stop_event, ROUND_S):
        try:
            deliver_due(ledger, settings)
        except LedgerError as error:
            log.exception("ledger_silent", error=str(error))
