"""Ledger of station 3: jobs, from the queue to their outcome."""

import time
from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import select, update

from node.ledger.database import Database
from node.ledger.records import JobRow
from node.ledger.states import JobState, OutputState
from node.ledger.tables import jobs, outputs
from node.ledger.transitions import settle, step
from pipelines.contract.job import OutputObject
from pipelines.contract.reasons import Reason


class Jobs:
    """Jobs without and with an outcome."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unfinished(self) -> list[JobRow]:
        """Jobs without an outcome, oldest first."""
        query = select(jobs).where(jobs.c.state == JobState.QUEUED).order_by(jobs.c.created_at)
        return [
            JobRow(
                key=row.key,
                folder=row.folder,
                state=JobState(row.state),
                created_at=row.created_at,
                enqueued_at=row.enqueued_at,
            )
            for row in self._database.read(query)
        ]

    def mark_enqueued(self, key: str) -> None:
        """Record that the job was sent to the broker."""
        with self._database.begin() as connection:
            connection.execute(
                update(jobs).where(jobs.c.key == key).values(enqueued_at=time.time())
            )

    def finish(
        self,
        key: str,
        objects: Sequence[OutputObject],
        destinations: Iterable[str],
        *,
        radiomics_for: Collection[str] = (),
    ) -> None:
        """Close a job and put its results into the outbox, once for each destination.

        Parameters
        ----------
        radiomics_for
            Destinations that also receive the report of radiomic features.

        Raises
        ------
        ForbiddenTransition
            The job is not queued.
        """
        now = time.time()
        with self._database.begin() as connection:
            step(connection, jobs, jobs.c.key == key, JobState.SUCCEEDED)
            for destination in destinations:
                for made in objects:
                    if made.kind == "radiomics" and destination not in radiomics_for:
                        continue
                    insert = self._database.insert(outputs).values(
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
            settle(connection, key)

    def fail(self, key: str, reason: Reason) -> None:
        """Close a job without results; its objects count as failed, with the reason."""
        with self._database.begin() as connection:
            step(connection, jobs, jobs.c.key == key, JobState.FAILED, reason)
            settle(connection, key)
