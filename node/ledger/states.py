"""States of objects, series, jobs and outputs, and every allowed step between them."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class InstanceState(StrEnum):
    """What became of a received object. The balance counts exactly these."""

    WAITING = "waiting"
    SKIPPED = "skipped"
    FAILED = "failed"
    DELIVERED = "delivered"


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
            # A late slice or series makes the node decide again.
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
            # The older content of a series can become the current one again.
            JobState.SUPERSEDED: (JobState.QUEUED,),
        },
        OutputState: {
            OutputState.DUE: (OutputState.SENDING, OutputState.DEAD, OutputState.DROPPED),
            # Whoever finds it so after a crash cannot know whether the PACS has it: sent again.
            OutputState.SENDING: (OutputState.DUE, OutputState.DELIVERED, OutputState.DEAD),
            OutputState.DELIVERED: (),
            OutputState.DEAD: (OutputState.DUE,),  # a person mended the cause
            OutputState.DROPPED: (OutputState.DUE,),
        },
    }
)
"""One table per kind: states of two kinds may share a word, and then compare equal."""


def sources_of(target: State) -> list[State]:
    """States from which an arrow leads to ``target``; the ledger moves no other rows."""
    steps = ALLOWED[type(target)]
    return [source for source, targets in steps.items() if target in targets]
