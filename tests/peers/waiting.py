"""Wait for a condition; no other module of the tests sleeps."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T], timeout_s: float, *, what: str = "", poll_s: float = 0.1
) -> T:
    """First true value of ``condition``; fails with ``what`` was awaited after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            msg = f"waited {timeout_s:g} s for {what or condition}"
            raise AssertionError(msg)
        time.sleep(poll_s)
