"""Wait for a condition or for the stop signal: the only place of the node that sleeps."""

import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

T = TypeVar("T")

DEFAULT_POLL_S = 0.05


def wait_until(
    predicate: Callable[[], T], timeout_s: float, poll_s: float = DEFAULT_POLL_S
) -> T | None:
    """First true value of ``predicate``, or ``None`` when the time is up.

    Parameters
    ----------
    predicate
        Asked at least once, and once more at the very end.
    timeout_s
        Longest wait.
    poll_s
        Time between two questions.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        value = predicate()
        if value:
            return value
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return None
        time.sleep(min(poll_s, left_s))


def pause(stop_event: Event, seconds: float) -> bool:
    """Sleep, but not longer than until the stop signal.

    Returns
    -------
    bool
        Whether to stop.
    """
    return stop_event.wait(seconds)


def nap(seconds: float) -> None:
    """Sleep a moment where nothing can be waited for (a reactor of a library that polls)."""
    time.sleep(seconds)
