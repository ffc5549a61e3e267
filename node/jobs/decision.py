"""Decide about a study: a job for its best series, and a reason for every other series.

Takes  StudySnapshot
Gives  Decision
Next   node.jobs.dispatch
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom

from node.ledger.ledger import Ledger
from node.ledger.records import Decision, StudySnapshot
from node.series.completeness import stack_of
from node.series.index import SeriesRecord, series_record
from node.series.selection import Loser, Selection, select_series
from pipelines.contract.job import Job, Predecessor
from pipelines.contract.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A decision that is not in the ledger yet, and what to log about it."""

    decision: Decision
    job: Job | None
    selection: Selection | None
    losers: tuple[Loser, ...]


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


def lacks_slices(seen: StudySnapshot, records: Sequence[SeriesRecord]) -> bool:
    """Whether an undecided series has a gap that late slices may fill."""
    return any(
        stack_of(record).flaw is Reason.MISSING_SLICES
        for record in records
        if record.series_instance_uid in seen.open_series
    )


def plan(
    seen: StudySnapshot,
    records: Sequence[SeriesRecord],
    ledger: Ledger,
    describe: Callable[[Selection], Job],
) -> Plan:
    """Select the series and describe its job, without writing anything."""
    selection, losers = select_series(records)
    job, replaces = None, None
    if selection:
        job = describe(selection)
        replaces = ledger.studies.delivered_report(job.study_instance_uid, other_than=job.key)
    if job and replaces:
        job = job.model_copy(update={"predecessor": _predecessor(Path(replaces))})
    decision = Decision(
        study_instance_uid=seen.study_instance_uid,
        job_key=job.key if job else None,
        job_folder=job.output_folder if job else None,
        chosen_series=job.series_instance_uid if job else None,
        losers={loser.series_instance_uid: loser.reason for loser in losers} | _absent(seen),
        skipped_instances=_unusable(selection),
        replaces=replaces,
    )
    return Plan(decision=decision, job=job, selection=selection, losers=losers)


def give_up(seen: StudySnapshot) -> Decision:
    """Decision without a job, after an internal error: the study must not stay open."""
    uids = {one.series_instance_uid for one in seen.instances} | seen.open_series
    return Decision(
        study_instance_uid=seen.study_instance_uid,
        job_key=None,
        job_folder=None,
        chosen_series=None,
        losers=dict.fromkeys(uids, Reason.INTERNAL_ERROR),
        skipped_instances={},
    )


def _predecessor(report: Path) -> Predecessor:
    """The delivered report that the new one replaces."""
    dataset = pydicom.dcmread(report, stop_before_pixels=True)
    return Predecessor(
        study_instance_uid=str(dataset.StudyInstanceUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        sop_instance_uid=str(dataset.SOPInstanceUID),
        path=str(report),
    )


def _absent(seen: StudySnapshot) -> dict[str, Reason]:
    """Open series that have lost every file."""
    present = {one.series_instance_uid for one in seen.instances}
    return dict.fromkeys(seen.open_series - present, Reason.FILE_LOST)


def _unusable(selection: Selection | None) -> dict[str, Reason]:
    if selection is None:
        return {}
    return dict.fromkeys(selection.record.unreadable, Reason.UNREADABLE_GEOMETRY) | dict.fromkeys(
        selection.record.localizers, Reason.LOCALIZER
    )
