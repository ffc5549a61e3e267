"""Wait for a condition or for the stop signal. No other module of the node sleeps."""

import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

T = TypeVar("T")

DEFAULT_POLL_S = 0.05


def wait_until(
    predicate: Callable[[], T], timeout_s: float, poll_s: float = DEFAULT_POLL_S
) -> T | None:
    """First true value of ``predicate``, or ``None`` after the time limit.

    Parameters
    ----------
    predicate
        Called at least once, and once more after the time limit.
    timeout_s
        Longest wait.
    poll_s
        Time between two calls.
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
    """Sleep until the time is over or the stop signal comes.

    Returns
    -------
    bool
        Whether the stop signal came.
    """
    return stop_event.wait(seconds)


def nap(seconds: float) -> None:
    """Sleep a moment, for a loop of a library that polls."""
    time.sleep(seconds)
