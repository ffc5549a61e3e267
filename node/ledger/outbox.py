"""Ledger of station 5: results that are due to the destinations, and their receipts."""

import time
from collections import Counter
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, select, update

from node.errors import ForbiddenTransition
from node.ledger.database import Database
from node.ledger.records import DueOutput
from node.ledger.states import InstanceState, JobState, OutputState, sources_of
from node.ledger.tables import instances, jobs, outputs
from node.ledger.transitions import move_instances, settle
from pipelines.contract.reasons import Reason


class Outbox:
    """Results, one row for each destination."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim_due(self, destination: str, now: float) -> list[DueOutput]:
        """Mark the results that are due as sending, and return them.

        Each stays in that state until ``record_delivered``, ``record_dead`` or ``record_retry``. A
        report is returned only when no result that it references is due. Results that an earlier
        process claimed are returned again, because one process sends to a destination.
        """
        is_due = (outputs.c.state == OutputState.DUE) & (outputs.c.next_try_at <= now)
        query = (
            select(outputs)
            .where(outputs.c.destination == destination)
            .where(is_due | (outputs.c.state == OutputState.SENDING))
            .order_by(outputs.c.id)
        )
        names = DueOutput.__slots__
        with self._database.begin() as connection:
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
        """Kind of result that a destination receives next, by job."""
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
        """Record that the destination stored the result.

        Raises
        ------
        ForbiddenTransition
            The result was not claimed.
        """
        self._record_try(output, OutputState.DELIVERED, last_status=status)

    def record_dead(self, output: DueOutput, status: int | None, reason: Reason) -> None:
        """Record that the result will not be sent again automatically.

        Raises
        ------
        ForbiddenTransition
            The result was not claimed.
        """
        self._record_try(output, OutputState.DEAD, last_status=status, reason=reason)

    def record_retry(self, output: DueOutput, next_try_at: float, status: int | None) -> None:
        """Record a failed try; the result is due again at ``next_try_at``.

        Raises
        ------
        ForbiddenTransition
            The result was not claimed.
        """
        self._record_try(output, OutputState.DUE, last_status=status, next_try_at=next_try_at)

    def _record_try(self, output: DueOutput, state: OutputState, **values: Any) -> None:
        with self._database.begin() as connection:
            changed = connection.execute(
                update(outputs)
                .where(outputs.c.id == output.id, outputs.c.state == OutputState.SENDING)
                .values(state=state, attempts=outputs.c.attempts + 1, **values)
            )
            if changed.rowcount != 1:
                raise ForbiddenTransition(
                    f"a result that cannot become {state}", "a claimed result"
                )
            settle(connection, output.job_key)

    def abandon_unknown(self, known: Collection[str]) -> dict[str, int]:
        """Close the results that are due to destinations that are not in the settings.

        Returns
        -------
        dict
            Number of results by name of the destination.
        """
        unsent = outputs.c.state.in_(sources_of(OutputState.DEAD))
        unknown = outputs.c.destination.not_in(list(known))
        query = select(outputs.c.destination, outputs.c.job_key).where(unsent, unknown)
        if not self._database.read(query.limit(1)):
            return {}
        with self._database.begin() as connection:
            rows = connection.execute(query).all()
            connection.execute(
                update(outputs)
                .where(unsent, unknown)
                .values(state=OutputState.DEAD, reason=Reason.DESTINATION_REMOVED)
            )
            for key in {row.job_key for row in rows}:
                settle(connection, key)
        return dict(Counter(row.destination for row in rows))

    def redeliver(self, destinations: Collection[str]) -> int:
        """Make the current results that the destinations did not receive due again.

        Returns
        -------
        int
            Number of results.
        """
        now = time.time()
        current = select(jobs.c.key).where(jobs.c.state == JobState.SUCCEEDED)
        dead = (
            outputs.c.destination.in_(list(destinations))
            & (outputs.c.state == OutputState.DEAD)
            & outputs.c.job_key.in_(current)
        )
        with self._database.begin() as connection:
            keys = {r.job_key for r in connection.execute(select(outputs.c.job_key).where(dead))}
            again = {"state": OutputState.DUE, "reason": None, "attempts": 0}
            times = {"created_at": now, "next_try_at": now}  # the time limit starts again
            count = connection.execute(update(outputs).where(dead).values({**again, **times}))
            move_instances(connection, instances.c.job_key.in_(keys), InstanceState.WAITING, None)
        return int(count.rowcount)


def _sent_after(kind: str) -> int:
    """Rank of a kind: segmentations are sent before the reports that reference them."""
    return {"seg": 0, "sc": 1, "sr": 2}.get(kind, 3)
