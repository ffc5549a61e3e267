"""Ledger of station 2: studies, from the first object to the decision about every series."""

import time
from typing import Any

from sqlalchemy import Connection, Select, exists, func, select, update

from node.ledger.database import Database
from node.ledger.records import Decision, InstanceRow, StudySnapshot
from node.ledger.states import InstanceState, JobState, OutputState, SeriesState, sources_of
from node.ledger.tables import instances, jobs, outputs, series
from node.ledger.transitions import settle
from pipelines.contract.reasons import Reason


class Studies:
    """Open series and the decisions about them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def quiet(self, quiet_since: float) -> list[str]:
        """Studies with an open series and no object received after ``quiet_since``."""
        newer = series.alias()
        is_restless = exists().where(
            newer.c.study_instance_uid == series.c.study_instance_uid,
            newer.c.last_received_at > quiet_since,
        )
        query = (
            select(series.c.study_instance_uid)
            .where(series.c.state == SeriesState.OPEN, ~is_restless)
            .distinct()
        )
        return [row.study_instance_uid for row in self._database.read(query)]

    def snapshot(self, study_instance_uid: str) -> StudySnapshot:
        """All objects of a study whose files are not lost, and its open series."""
        mine = series.c.study_instance_uid == study_instance_uid
        rows = self._database.read(select(series).where(mine))
        uids = [row.series_instance_uid for row in rows]
        found = self._database.read(
            select(instances)
            .where(instances.c.series_instance_uid.in_(uids), instances.c.lost_at.is_(None))
            .order_by(instances.c.id)
        )
        return StudySnapshot(
            study_instance_uid=study_instance_uid,
            instances=tuple(_instance(row) for row in found),
            open_series=frozenset(
                row.series_instance_uid for row in rows if row.state == SeriesState.OPEN
            ),
            last_received_at=max((row.last_received_at for row in rows), default=0.0),
        )

    def decide(self, decision: Decision, *, seen: StudySnapshot) -> bool:
        """Close the series of a study: a job for the chosen one, a reason for each other.

        Returns
        -------
        bool
            ``False``, without a change, if the study received objects since it was ``seen``, if a
            result of an older job is being sent, or if another report must be replaced.
        """
        with self._database.begin() as connection:
            last = connection.execute(
                select(func.max(series.c.last_received_at)).where(
                    series.c.study_instance_uid == decision.study_instance_uid
                )
            ).scalar_one()
            if last != seen.last_received_at or self._is_overtaken(connection, decision):
                return False
            for uid, reason in decision.losers.items():
                self._skip_series(connection, uid, reason)
            self._supersede(connection, decision)
            if decision.job_key is not None:
                self._choose(connection, decision)
            for uid, reason in decision.skipped_instances.items():
                connection.execute(
                    update(instances)
                    .where(instances.c.sop_instance_uid == uid)
                    .values(state=InstanceState.SKIPPED, reason=reason, job_key=None)
                )
            if decision.job_key is not None:
                settle(connection, decision.job_key)
        return True

    def _is_overtaken(self, connection: Connection, decision: Decision) -> bool:
        """Whether a result that the decision does not consider is being sent or was delivered."""
        key = decision.job_key or ""
        older = (jobs.c.study_instance_uid == decision.study_instance_uid) & (jobs.c.key != key)
        on_its_way = (
            select(outputs.c.id)
            .join(jobs, jobs.c.key == outputs.c.job_key)
            .where(older, outputs.c.state == OutputState.SENDING)
            .limit(1)
        )
        if connection.execute(on_its_way).first() is not None:
            return True
        if decision.job_key is None:
            return False
        report = connection.execute(_delivered_report(decision.study_instance_uid, key)).first()
        return (report.path if report else None) != decision.replaces

    def _skip_series(self, connection: Connection, uid: str, reason: Reason) -> None:
        of_series = series.c.series_instance_uid == uid
        connection.execute(
            update(series).where(of_series).values(state=SeriesState.SKIPPED, reason=reason)
        )
        connection.execute(
            update(instances)
            .where(instances.c.series_instance_uid == uid, instances.c.lost_at.is_(None))
            .where(instances.c.state.in_([*sources_of(InstanceState.SKIPPED), "skipped"]))
            .values(state=InstanceState.SKIPPED, reason=reason, job_key=None)
        )

    def _choose(self, connection: Connection, decision: Decision) -> None:
        assert decision.chosen_series is not None
        key = decision.job_key
        connection.execute(
            update(series)
            .where(series.c.series_instance_uid == decision.chosen_series)
            .values(state=SeriesState.CHOSEN, reason=None)
        )
        connection.execute(
            update(instances)
            .where(
                instances.c.series_instance_uid == decision.chosen_series,
                instances.c.lost_at.is_(None),
            )
            .values(state=InstanceState.WAITING, reason=None, job_key=key)
        )
        insert = self._database.insert(jobs).values(
            key=key,
            study_instance_uid=decision.study_instance_uid,
            series_instance_uid=decision.chosen_series,
            folder=decision.job_folder,
            state=JobState.QUEUED,
            created_at=time.time(),
        )
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=[jobs.c.key],
                set_={"state": JobState.QUEUED, "enqueued_at": None},
                where=jobs.c.state == JobState.SUPERSEDED,
            )
        )

    def _supersede(self, connection: Connection, decision: Decision) -> None:
        """Drop the undelivered results of older jobs of the study."""
        older = (
            (jobs.c.study_instance_uid == decision.study_instance_uid)
            & (jobs.c.key != (decision.job_key or ""))
            & (jobs.c.state != JobState.SUPERSEDED)
        )
        keys = [row.key for row in connection.execute(select(jobs.c.key).where(older))]
        connection.execute(
            update(jobs).where(jobs.c.key.in_(keys)).values(state=JobState.SUPERSEDED)
        )
        connection.execute(
            update(outputs)
            .where(outputs.c.job_key.in_(keys), outputs.c.state == OutputState.DUE)
            .values(state=OutputState.DROPPED)
        )

    def delivered_report(self, study_instance_uid: str, *, other_than: str) -> str | None:
        """Path of the latest delivered report of the study that belongs to another job."""
        rows = self._database.read(_delivered_report(study_instance_uid, other_than))
        return str(rows[0].path) if rows else None


def _instance(row: Any) -> InstanceRow:
    return InstanceRow(
        sop_instance_uid=row.sop_instance_uid,
        series_instance_uid=row.series_instance_uid,
        path=row.path,
        header=row.header,
        state=InstanceState(row.state),
    )


def _delivered_report(study_instance_uid: str, other_than: str) -> Select[tuple[str]]:
    """Path of the latest delivered report of another job of the study."""
    return (
        select(outputs.c.path)
        .join(jobs, jobs.c.key == outputs.c.job_key)
        .where(
            jobs.c.study_instance_uid == study_instance_uid,
            jobs.c.key != other_than,
            outputs.c.kind == "sr",
            outputs.c.state == OutputState.DELIVERED,
        )
        .order_by(outputs.c.id.desc())
        .limit(1)
    )
