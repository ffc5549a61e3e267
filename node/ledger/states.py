"""States of objects, series, jobs and outputs, and every allowed step between them."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from node.errors import ForbiddenTransition


class InstanceState(StrEnum):
    """What became of a received object. The balance counts exactly these."""

    WAITING = "waiting"
    SKIPPED = "skipped"
    FAILED = "failed"
    DELIVERED = "delivered"
    COMMITTED = "committed"


class SeriesState(StrEnum):
    """Where a series stands."""

    OPEN = "open"
    CHOSEN = "chosen"
    SKIPPED = "skipped"


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SUPERSEDED = "superseded"


class OutputState(StrEnum):
    """Where one result stands on its way to one destination."""

    DUE = "due"
    DELIVERED = "delivered"
    DEAD = "dead"
    DROPPED = "dropped"


State = InstanceState | SeriesState | JobState | OutputState

ALLOWED: Final[Mapping[State, tuple[State, ...]]] = MappingProxyType(
    {
        InstanceState.WAITING: (
            InstanceState.SKIPPED,
            InstanceState.FAILED,
            InstanceState.DELIVERED,
        ),
        # A late slice or series makes the node decide again.
        InstanceState.SKIPPED: (InstanceState.WAITING,),
        InstanceState.FAILED: (InstanceState.WAITING, InstanceState.SKIPPED),
        InstanceState.DELIVERED: (
            InstanceState.COMMITTED,
            InstanceState.WAITING,
            InstanceState.SKIPPED,
        ),
        InstanceState.COMMITTED: (InstanceState.WAITING, InstanceState.SKIPPED),
        SeriesState.OPEN: (SeriesState.CHOSEN, SeriesState.SKIPPED),
        SeriesState.CHOSEN: (SeriesState.OPEN, SeriesState.SKIPPED),
        SeriesState.SKIPPED: (SeriesState.OPEN, SeriesState.CHOSEN),
        JobState.QUEUED: (JobState.SUCCEEDED, JobState.FAILED, JobState.SUPERSEDED),
        JobState.SUCCEEDED: (JobState.SUPERSEDED,),
        JobState.FAILED: (JobState.SUPERSEDED,),
        # The older content of a series can become the current one again.
        JobState.SUPERSEDED: (JobState.QUEUED,),
        OutputState.DUE: (OutputState.DELIVERED, OutputState.DEAD, OutputState.DROPPED),
        OutputState.DELIVERED: (),
        OutputState.DEAD: (),
        OutputState.DROPPED: (OutputState.DUE,),
    }
)


def sources_of(target: State) -> list[State]:
    """States from which an arrow leads to ``target``; the ledger updates no other rows."""
    return [source for source, targets in ALLOWED.items() if target in targets]


def check_transition(source: State, target: State) -> None:
    """Refuse a step that the table does not have.

    Raises
    ------
    ForbiddenTransition
        No arrow from ``source`` to ``target``.
    """
    if target not in ALLOWED[source]:
        allowed = ", ".join(ALLOWED[source]) or "nothing: it is final"
        raise ForbiddenTransition(f"{source} to {target}", allowed)
