"""End child processes with their parent."""

import ctypes
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1
"""``linux/prctl.h``."""


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends (prctl(2), Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
