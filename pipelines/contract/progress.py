"""Durations of the stations of one job, and the events that report progress."""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class StationEvent:
    """A station began (``seconds`` is ``None``) or ended."""

    station: str
    seconds: float | None


Listener = Callable[[StationEvent], None]


def no_listener(event: StationEvent) -> None:
    """Ignore every event."""


@dataclass(slots=True)
class Stations:
    """Seconds per station of one job.

    Parameters
    ----------
    listener
        Called when a station begins and ends.
    """

    listener: Listener = no_listener
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def at(self, station: str) -> Iterator[None]:
        """Time one station."""
        self.listener(StationEvent(station=station, seconds=None))
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds = round(time.perf_counter() - start, 4)
            self.seconds[station] = seconds
            self.listener(StationEvent(station=station, seconds=seconds))


def peak_rss_mb() -> float:
    """Largest resident memory of this process so far, MiB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
