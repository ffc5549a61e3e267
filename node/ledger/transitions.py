"""Steps of the table in `node.ledger.states`, inside a transaction of the caller."""

from typing import Any

from sqlalchemy import Connection, Table, select, update

from node.errors import ForbiddenTransition
from node.ledger.states import InstanceState, JobState, OutputState, State, sources_of
from node.ledger.tables import instances, jobs, outputs
from pipelines.contract.reasons import Reason


def settle(connection: Connection, key: str) -> None:
    """Set the state of the objects of a job from the job and its outputs."""
    job = connection.execute(select(jobs).where(jobs.c.key == key)).one()
    mine = instances.c.job_key == key
    if job.state == JobState.FAILED:
        move_instances(connection, mine, InstanceState.FAILED, job.reason)
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
    if dead:  # rows from before revision 0002 have no reason
        move_instances(connection, mine, InstanceState.FAILED, dead[0] or Reason.DELIVERY_REFUSED)
    else:
        move_instances(connection, mine, InstanceState.DELIVERED, None)


def move_instances(
    connection: Connection, where: Any, target: InstanceState, reason: str | None
) -> None:
    """Move objects along a step of the table of states; others keep their state."""
    connection.execute(
        update(instances)
        .where(where, instances.c.state.in_(sources_of(target)))
        .values(state=target, reason=reason)
    )


def step(
    connection: Connection,
    table: Table,
    where: Any,
    target: State,
    reason: str | None = None,
) -> None:
    """Move one row along a step of the table of states.

    Raises
    ------
    ForbiddenTransition
        The table has no step from the state of the row to ``target``.
    """
    changed = connection.execute(
        update(table)
        .where(where, table.c.state.in_(sources_of(target)))
        .values(state=target, reason=reason)
    )
    if changed.rowcount != 1:
        allowed = ", ".join(sources_of(target))
        raise ForbiddenTransition(f"a row that cannot become {target}", f"one of {allowed}")
