"""States of objects, series, jobs and outputs, and the allowed steps between them."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class InstanceState(StrEnum):
    """State of a received object. The balance counts the objects in each."""

    WAITING = "waiting"
    SKIPPED = "skipped"
    FAILED = "failed"
    DELIVERED = "delivered"


class SeriesState(StrEnum):
    """State of a series."""

    OPEN = "open"
    CHOSEN = "chosen"
    SKIPPED = "skipped"


class JobState(StrEnum):
    """State of a job."""

    QUEUED = "queued"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SUPERSEDED = "superseded"


class OutputState(StrEnum):
    """State of one result for one destination."""

    DUE = "due"
    SENDING = "sending"
    DELIVERED = "delivered"
    DEAD = "dead"
    DROPPED = "dropped"


State = InstanceState | SeriesState | JobState | OutputState

ALLOWED: Final[Mapping[type[State], Mapping[State, tuple[State, ...]]]] = MappingProxyType(
    {
        InstanceState: {
            InstanceState.WAITING: (
                InstanceState.SKIPPED,
                InstanceState.FAILED,
                InstanceState.DELIVERED,
            ),
            # The node decides again after a late slice or series.
            InstanceState.SKIPPED: (InstanceState.WAITING,),
            InstanceState.FAILED: (InstanceState.WAITING, InstanceState.SKIPPED),
            InstanceState.DELIVERED: (InstanceState.WAITING, InstanceState.SKIPPED),
        },
        SeriesState: {
            SeriesState.OPEN: (SeriesState.CHOSEN, SeriesState.SKIPPED),
            SeriesState.CHOSEN: (SeriesState.OPEN, SeriesState.SKIPPED),
            SeriesState.SKIPPED: (SeriesState.OPEN, SeriesState.CHOSEN),
        },
        JobState: {
            JobState.QUEUED: (JobState.SUCCEEDED, JobState.FAILED, JobState.SUPERSEDED),
            JobState.SUCCEEDED: (JobState.SUPERSEDED,),
            JobState.FAILED: (JobState.SUPERSEDED,),
            # Lost files can make the older content of a series the current one again.
            JobState.SUPERSEDED: (JobState.QUEUED,),
        },
        OutputState: {
            OutputState.DUE: (OutputState.SENDING, OutputState.DEAD, OutputState.DROPPED),
            # After a crash it is unknown whether the PACS has the result: it is sent again.
            OutputState.SENDING: (OutputState.DUE, OutputState.DELIVERED, OutputState.DEAD),
            OutputState.DELIVERED: (),
            OutputState.DEAD: (OutputState.DUE,),  # osteonode redeliver
            OutputState.DROPPED: (OutputState.DUE,),
        },
    }
)
"""One table per kind, because states of two kinds with the same word compare equal."""


def sources_of(target: State) -> list[State]:
    """States with a step to ``target``; the ledger moves no other rows."""
    steps = ALLOWED[type(target)]
    return [source for source, targets in steps.items() if target in targets]
