"""Every change of state, one transaction each.

Takes  StoredInstance
Gives  Recorded
Next   node.series.index

Nothing else in the node writes to the database. Rows change only along the arrows of
``node.ledger.states``; a function that returns has its work on disk.
"""

import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import Connection, Engine, Select, Table, exists, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from node.errors import DuplicateContent, ForbiddenTransition
from node.intake.spool import StoredInstance
from node.ledger.balance import Balance
from node.ledger.database import READS_ONLY, open_engine, upgrade
from node.ledger.states import (
    InstanceState,
    JobState,
    OutputState,
    SeriesState,
    State,
    sources_of,
)
from node.ledger.tables import UNREAD, instances, jobs, outputs, refusals, series
from pipelines.contract.job import OutputObject
from pipelines.contract.reasons import Reason


class Recorded(Enum):
    """Whether an object was new.

    ``RECODED`` is a known object in another transfer syntax: the file of the first one stays, the
    new one is not in the books. ``HEALED`` is one whose first file was lost.
    """

    NEW = "new"
    RESENT = "resent"
    RECODED = "recoded"
    HEALED = "healed"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRow:
    """What the ledger knows of one object; ``header`` once it has been read."""

    sop_instance_uid: str
    series_instance_uid: str
    path: str
    header: Mapping[str, Any] | None
    state: InstanceState


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """What the file of one object should hold.

    Parameters
    ----------
    size_bytes, sha256
        Of the encoded data set, without the file meta information.
    resent
        Tells whether the object came again meanwhile.
    is_needed
        Nothing has been made of it yet.
    is_lost
        So it was found at an earlier look.
    """

    id: int
    sop_instance_uid: str
    series_instance_uid: str
    path: str
    size_bytes: int
    sha256: str
    resent: int
    is_needed: bool
    is_lost: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySnapshot:
    """All present objects of a study at one moment; ``last_received_at`` dates it."""

    study_instance_uid: str
    instances: tuple[InstanceRow, ...]
    open_series: frozenset[str]
    last_received_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """One job."""

    key: str
    folder: str
    state: JobState
    created_at: float
    enqueued_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DueOutput:
    """One result that a destination should get now."""

    id: int
    job_key: str
    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    path: str
    destination: str
    attempts: int
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of a study: one job for the chosen series, reasons for the others.

    Parameters
    ----------
    losers
        Reason by Series Instance UID.
    skipped_instances
        Reason by SOP Instance UID: single objects of the chosen series that are not used.
    replaces
        Path of the delivered report of an older job that the job's report will name.
    """

    study_instance_uid: str
    job_key: str | None
    job_folder: str | None
    chosen_series: str | None
    losers: Mapping[str, Reason]
    skipped_instances: Mapping[str, Reason]
    replaces: str | None = None


class Ledger:
    """The database behind functions; safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert

    @classmethod
    def open(cls, url: str) -> "Ledger":
        """Open, and migrate, the ledger at a SQLAlchemy URL.

        Raises
        ------
        LedgerError
            It cannot be opened.
        """
        engine = open_engine(url)
        upgrade(engine)
        return cls(engine)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    # Station 1: intake

    def record_instance(self, instance: StoredInstance) -> Recorded:
        """Take a stored object into the books; on disk when this returns.

        Raises
        ------
        DuplicateContent
            The SOP Instance UID is known with other content in the same transfer syntax.
            (The same object in another transfer syntax counts as sent again.)
        LedgerError
            The database does not answer.
        """
        now = instance.received_at.timestamp()
        values = {
            "sop_instance_uid": instance.sop_instance_uid,
            "sop_class_uid": instance.sop_class_uid,
            "series_instance_uid": instance.series_instance_uid,
            "study_instance_uid": instance.study_instance_uid,
            "transfer_syntax_uid": instance.transfer_syntax_uid,
            "path": str(instance.path),
            "size_bytes": instance.size_bytes,
            "sha256": instance.sha256,
            "calling_ae_title": instance.calling_ae_title,
            "called_ae_title": instance.called_ae_title,
            "received_at": now,
            "state": InstanceState.WAITING,
        }
        with self._engine.begin() as connection:
            insert = self._insert(instances).values(values).on_conflict_do_nothing()
            if connection.execute(insert.returning(instances.c.id)).first() is None:
                return self._record_again(connection, instance, values)
            self._open_series(connection, instance, now)
        return Recorded.NEW

    def _record_again(
        self, connection: Connection, instance: StoredInstance, values: Mapping[str, Any]
    ) -> Recorded:
        mine = instances.c.sop_instance_uid == instance.sop_instance_uid
        known = connection.execute(
            select(instances.c.sha256, instances.c.transfer_syntax_uid, instances.c.lost_at).where(
                mine
            )
        ).one()
        is_same = known.sha256 == instance.sha256
        same_syntax = known.transfer_syntax_uid == instance.transfer_syntax_uid
        counted = {"resent": instances.c.resent + 1}
        if known.lost_at is not None:
            fresh = {**values, **counted, "lost_at": None, "header": None, "reason": None}
            connection.execute(update(instances).where(mine).values({**fresh, "job_key": None}))
            self._open_series(connection, instance, float(values["received_at"]))
            return Recorded.HEALED
        if same_syntax and not is_same:
            raise DuplicateContent(
                f"other content under SOP Instance UID {instance.sop_instance_uid}",
                "one object per UID",
                "the first object is kept; give a changed object a UID of its own",
            )
        connection.execute(update(instances).where(mine).values(counted))
        return Recorded.RESENT if is_same else Recorded.RECODED

    def _open_series(self, connection: Connection, instance: StoredInstance, now: float) -> None:
        """New content opens a series, also one about which was decided before."""
        insert = self._insert(series).values(
            series_instance_uid=instance.series_instance_uid,
            study_instance_uid=instance.study_instance_uid,
            state=SeriesState.OPEN,
            last_received_at=now,
        )
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=[series.c.series_instance_uid],
                set_={"state": SeriesState.OPEN, "reason": None, "last_received_at": now},
            )
        )

    def record_refusal(
        self,
        *,
        calling_ae: str,
        called_ae: str,
        sop_class_uid: str | None,
        sop_instance_uid: str | None,
        status: int,
        reason: str,
    ) -> None:
        """Note what was not taken, and why."""
        with self._engine.begin() as connection:
            connection.execute(
                refusals.insert().values(
                    refused_at=time.time(),
                    calling_ae_title=calling_ae[:16],
                    called_ae_title=called_ae[:16],
                    sop_class_uid=sop_class_uid,
                    sop_instance_uid=sop_instance_uid,
                    status=status,
                    reason=reason,
                )
            )

    # Station 2: series

    def unread_instances(self, limit: int) -> list[tuple[str, str]]:
        """(SOP Instance UID, path) of objects whose header is not in the books yet."""
        query = (
            select(instances.c.sop_instance_uid, instances.c.path)
            .where(UNREAD)
            .order_by(instances.c.id)
            .limit(limit)
        )
        return [(row.sop_instance_uid, row.path) for row in self._read(query)]

    def record_headers(self, headers: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep the headers of objects by SOP Instance UID."""
        with self._engine.begin() as connection:
            for uid, header in headers.items():
                connection.execute(
                    update(instances)
                    .where(instances.c.sop_instance_uid == uid)
                    .values(header=dict(header))
                )

    def quiet_studies(self, quiet_since: float) -> list[str]:
        """Studies with an undecided series, of which nothing came after ``quiet_since``."""
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
        return [row.study_instance_uid for row in self._read(query)]

    def study(self, study_instance_uid: str) -> StudySnapshot:
        """Everything known of a study."""
        mine = series.c.study_instance_uid == study_instance_uid
        rows = self._read(select(series).where(mine))
        uids = [row.series_instance_uid for row in rows]
        found = self._read(
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
        """Close a study's series: a job for the chosen one, a reason for each other.

        Returns
        -------
        bool
            ``False``, and nothing changed, where the study grew since it was ``seen``, where a
            result of an older job is on its way, or where another report is to be replaced.
        """
        with self._engine.begin() as connection:
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
                self._settle(connection, decision.job_key)
        return True

    def _is_overtaken(self, connection: Connection, decision: Decision) -> bool:
        """Whether a destination gets, or got meanwhile, a result that the decision ignores."""
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
        insert = self._insert(jobs).values(
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
        """Older jobs of the study lose their undelivered results."""
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

    # Station 3: jobs

    def unfinished_jobs(self) -> list[JobRow]:
        """Jobs without an outcome in the books."""
        query = select(jobs).where(jobs.c.state == JobState.QUEUED).order_by(jobs.c.created_at)
        return [
            JobRow(
                key=row.key,
                folder=row.folder,
                state=JobState(row.state),
                created_at=row.created_at,
                enqueued_at=row.enqueued_at,
            )
            for row in self._read(query)
        ]

    def mark_enqueued(self, key: str) -> None:
        """Note that the broker has the job now."""
        with self._engine.begin() as connection:
            connection.execute(
                update(jobs).where(jobs.c.key == key).values(enqueued_at=time.time())
            )

    def finish_job(
        self,
        key: str,
        objects: Sequence[OutputObject],
        destinations: Iterable[str],
        *,
        radiomics_for: Collection[str] = (),
    ) -> None:
        """Take the results of a job into the outbox, once for each destination.

        Parameters
        ----------
        radiomics_for
            Destinations that get the report of radiomic features too; nobody else does.

        Raises
        ------
        ForbiddenTransition
            The job is not queued.
        """
        now = time.time()
        with self._engine.begin() as connection:
            self._step(connection, jobs, jobs.c.key == key, JobState.SUCCEEDED)
            for destination in destinations:
                for made in objects:
                    if made.kind == "radiomics" and destination not in radiomics_for:
                        continue
                    insert = self._insert(outputs).values(
                        job_key=key,
                        kind=made.kind,
                        sop_class_uid=made.sop_class_uid,
                        sop_instance_uid=made.sop_instance_uid,
                        path=made.path,
                        destination=destination,
                        state=OutputState.DUE,
                        created_at=now,
                        next_try_at=now,
                    )
                    connection.execute(
                        insert.on_conflict_do_update(
                            index_elements=[outputs.c.sop_instance_uid, outputs.c.destination],
                            set_={"state": OutputState.DUE, "next_try_at": now},
                            where=outputs.c.state == OutputState.DROPPED,
                        )
                    )
            self._settle(connection, key)

    def fail_job(self, key: str, reason: Reason) -> None:
        """Close a job that yields nothing; its objects count as failed, with the reason."""
        with self._engine.begin() as connection:
            self._step(connection, jobs, jobs.c.key == key, JobState.FAILED, reason)
            self._settle(connection, key)

    def delivered_report(self, study_instance_uid: str, *, other_than: str) -> str | None:
        """Path of the latest report of the study that a destination has, of another job."""
        rows = self._read(_delivered_report(study_instance_uid, other_than))
        return str(rows[0].path) if rows else None

    # Station 5: delivery

    def claim_due(self, destination: str, now: float) -> list[DueOutput]:
        """Results to be sent now; they are on their way until one of the records below.

        A report comes only when nothing that it points at is still due. What an earlier process
        claimed and never finished comes again: only one sends to a destination.
        """
        is_due = (outputs.c.state == OutputState.DUE) & (outputs.c.next_try_at <= now)
        query = (
            select(outputs)
            .where(outputs.c.destination == destination)
            .where(is_due | (outputs.c.state == OutputState.SENDING))
            .order_by(outputs.c.id)
        )
        names = DueOutput.__slots__
        with self._engine.begin() as connection:
            open_kinds = self._open_kinds(connection, destination)
            found = [
                DueOutput(**{name: getattr(row, name) for name in names})
                for row in connection.execute(query)
                if row.kind == open_kinds[row.job_key]
            ]
            connection.execute(
                update(outputs)
                .where(outputs.c.id.in_([one.id for one in found]))
                .values(state=OutputState.SENDING)
            )
        return found

    def _open_kinds(self, connection: Connection, destination: str) -> dict[str, str]:
        """Kind of result that a destination gets next, by job."""
        rows = connection.execute(
            select(outputs.c.job_key, outputs.c.kind).where(
                outputs.c.destination == destination,
                outputs.c.state.in_([OutputState.DUE, OutputState.SENDING]),
            )
        )
        kinds: dict[str, str] = {}
        for row in rows:
            kinds[row.job_key] = min(kinds.get(row.job_key, row.kind), row.kind, key=_sent_after)
        return kinds

    def record_delivered(self, output: DueOutput, status: int) -> None:
        """The destination has it.

        Raises
        ------
        ForbiddenTransition
            It was not claimed.
        """
        self._record_try(output, OutputState.DELIVERED, last_status=status)

    def record_dead(self, output: DueOutput, status: int | None, reason: Reason) -> None:
        """The destination will not have it.

        Raises
        ------
        ForbiddenTransition
            It was not claimed.
        """
        self._record_try(output, OutputState.DEAD, last_status=status, reason=reason)

    def record_retry(self, output: DueOutput, next_try_at: float, status: int | None) -> None:
        """Try again later.

        Raises
        ------
        ForbiddenTransition
            It was not claimed.
        """
        self._record_try(output, OutputState.DUE, last_status=status, next_try_at=next_try_at)

    def _record_try(self, output: DueOutput, state: OutputState, **values: Any) -> None:
        with self._engine.begin() as connection:
            changed = connection.execute(
                update(outputs)
                .where(outputs.c.id == output.id, outputs.c.state == OutputState.SENDING)
                .values(state=state, attempts=outputs.c.attempts + 1, **values)
            )
            if changed.rowcount != 1:
                raise ForbiddenTransition(f"a result that cannot become {state}", "a claimed one")
            self._settle(connection, output.job_key)

    def abandon_unknown(self, known: Collection[str]) -> dict[str, int]:
        """Close what is due to destinations that are no longer in the settings.

        Returns
        -------
        dict
            Number of results by name of the destination.
        """
        unsent = outputs.c.state.in_(sources_of(OutputState.DEAD))
        unknown = outputs.c.destination.not_in(list(known))
        query = select(outputs.c.destination, outputs.c.job_key).where(unsent, unknown)
        if not self._read(query.limit(1)):
            return {}
        with self._engine.begin() as connection:
            rows = connection.execute(query).all()
            connection.execute(
                update(outputs)
                .where(unsent, unknown)
                .values(state=OutputState.DEAD, reason=Reason.DESTINATION_REMOVED)
            )
            for key in {row.job_key for row in rows}:
                self._settle(connection, key)
        return dict(Counter(row.destination for row in rows))

    def redeliver(self, destinations: Collection[str]) -> int:
        """Make every result due again that one of the destinations did not get; how many."""
        now = time.time()
        current = select(jobs.c.key).where(jobs.c.state == JobState.SUCCEEDED)
        dead = (
            outputs.c.destination.in_(list(destinations))
            & (outputs.c.state == OutputState.DEAD)
            & outputs.c.job_key.in_(current)
        )
        with self._engine.begin() as connection:
            keys = {r.job_key for r in connection.execute(select(outputs.c.job_key).where(dead))}
            again = {"state": OutputState.DUE, "reason": None, "attempts": 0}
            times = {"created_at": now, "next_try_at": now}  # the time to give up starts anew
            count = connection.execute(update(outputs).where(dead).values({**again, **times}))
            self._move(connection, instances.c.job_key.in_(keys), InstanceState.WAITING, None)
        return int(count.rowcount)

    # The files behind the rows

    def files(self, *, after: int, limit: int) -> list[FileRow]:
        """Files that the books name, in the order of their rows, from the row after ``after``."""
        waiting = instances.c.state == InstanceState.WAITING
        unmade = (series.c.state == SeriesState.OPEN) | (jobs.c.state == JobState.QUEUED)
        query = (
            select(instances, (waiting & unmade).label("is_needed"))
            .join(series, series.c.series_instance_uid == instances.c.series_instance_uid)
            .outerjoin(jobs, jobs.c.key == instances.c.job_key)
            .where(instances.c.id > after)
            .order_by(instances.c.id)
            .limit(limit)
        )
        return [_file_row(row) for row in self._read(query)]

    def record_lost(self, row: FileRow) -> bool:
        """Note that a file is missing or damaged; its object comes back when it is sent again.

        An object that was waiting counts as failed, and its study is decided without it.

        Returns
        -------
        bool
            ``False``, and nothing changed, where the object came again meanwhile.
        """
        mine = (instances.c.id == row.id) & (instances.c.resent == row.resent)
        lost = {"state": InstanceState.FAILED, "reason": Reason.FILE_LOST, "job_key": None}
        with self._engine.begin() as connection:
            marked = connection.execute(update(instances).where(mine).values(lost_at=time.time()))
            waiting = mine & (instances.c.state == InstanceState.WAITING)
            if connection.execute(update(instances).where(waiting).values(lost)).rowcount:
                self._reopen(connection, row)
        return bool(marked.rowcount)

    def record_found(self, row: FileRow) -> bool:
        """Note that a lost file is whole again (its disk was not there at the last look).

        Returns
        -------
        bool
            ``False``, and nothing changed, where the object came again meanwhile.
        """
        mine = (instances.c.id == row.id) & (instances.c.resent == row.resent)
        with self._engine.begin() as connection:
            marked = connection.execute(update(instances).where(mine).values(lost_at=None))
            failed = mine & (instances.c.reason == Reason.FILE_LOST)
            waiting = {"state": InstanceState.WAITING, "reason": None}
            if connection.execute(update(instances).where(failed).values(waiting)).rowcount:
                self._reopen(connection, row)
        return bool(marked.rowcount)

    def _reopen(self, connection: Connection, row: FileRow) -> None:
        connection.execute(
            update(series)
            .where(series.c.series_instance_uid == row.series_instance_uid)
            .values(state=SeriesState.OPEN, reason=None)
        )

    # The balance

    def balance(self) -> Balance:
        """Count what became of every object."""
        columns = instances.c.state, instances.c.reason
        query = select(*columns, func.count(), func.sum(instances.c.resent)).group_by(*columns)
        states: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        resent = 0
        for state, reason, count, sent_again in self._read(query):
            states[state] += count
            resent += int(sent_again)
            if reason is not None:
                reasons[reason] += count
        refused = self._read(select(func.count()).select_from(refusals))[0][0]
        lost = self._read(select(func.count()).where(instances.c.lost_at.is_not(None)))[0][0]
        return Balance(
            received=states.total(),
            **{state.value: states[state.value] for state in InstanceState},
            refused=int(refused),
            resent=resent,
            lost=int(lost),
            reasons=dict(reasons),
        )

    # Shared steps

    def _settle(self, connection: Connection, key: str) -> None:
        """Give the objects of a job the state that follows from the job and its outputs."""
        job = connection.execute(select(jobs).where(jobs.c.key == key)).one()
        mine = instances.c.job_key == key
        if job.state == JobState.FAILED:
            self._move(connection, mine, InstanceState.FAILED, job.reason)
        if job.state != JobState.SUCCEEDED:
            return
        made = connection.execute(
            select(outputs.c.state, outputs.c.reason)
            .where(outputs.c.job_key == key)
            .order_by(outputs.c.id)
        ).all()
        if {row.state for row in made} & {OutputState.DUE, OutputState.SENDING}:
            return
        dead = [row.reason for row in made if row.state == OutputState.DEAD]
        if dead:  # those of before revision 0002 have no reason
            self._move(connection, mine, InstanceState.FAILED, dead[0] or Reason.DELIVERY_REFUSED)
        else:
            self._move(connection, mine, InstanceState.DELIVERED, None)

    def _move(
        self, connection: Connection, where: Any, target: InstanceState, reason: str | None
    ) -> None:
        connection.execute(
            update(instances)
            .where(where, instances.c.state.in_(sources_of(target)))
            .values(state=target, reason=reason)
        )

    def _step(
        self,
        connection: Connection,
        table: Table,
        where: Any,
        target: State,
        reason: str | None = None,
    ) -> None:
        """Move one row along an arrow of the table of states."""
        changed = connection.execute(
            update(table)
            .where(where, table.c.state.in_(sources_of(target)))
            .values(state=target, reason=reason)
        )
        if changed.rowcount != 1:
            allowed = ", ".join(sources_of(target))
            raise ForbiddenTransition(f"a row that cannot become {target}", f"one of {allowed}")

    def _read(self, query: Any) -> Sequence[Any]:
        """Read without taking the writer's lock."""
        with self._engine.connect().execution_options(**{READS_ONLY: True}) as connection:
            return connection.execute(query).all()


def _instance(row: Any) -> InstanceRow:
    return InstanceRow(
        sop_instance_uid=row.sop_instance_uid,
        series_instance_uid=row.series_instance_uid,
        path=row.path,
        header=row.header,
        state=InstanceState(row.state),
    )


def _file_row(row: Any) -> FileRow:
    return FileRow(
        id=row.id,
        sop_instance_uid=row.sop_instance_uid,
        series_instance_uid=row.series_instance_uid,
        path=row.path,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        resent=row.resent,
        is_needed=bool(row.is_needed),
        is_lost=row.lost_at is not None,
    )


def _delivered_report(study_instance_uid: str, other_than: str) -> Select[tuple[str]]:
    """Path of the latest report that a destination has, of another job of the study."""
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


def _sent_after(kind: str) -> int:
    """Segmentations go before the reports that point at them."""
    return {"seg": 0, "sc": 1, "sr": 2}.get(kind, 3)
