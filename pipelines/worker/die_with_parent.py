"""End a child process together with its parent."""

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1
"""``linux/prctl.h``."""


def die_with_parent(parent: int) -> None:
    """Make the kernel kill this process when its parent ends (prctl(2), Linux only).

    A parent that ended before this call sends no signal any more; then this process exits at once.

    Parameters
    ----------
    parent
        Process number of the parent, read before this process was started.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
