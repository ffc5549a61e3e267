"""Child processes that do not outlive their parent.

Takes  nothing
Gives  nothing
Next   nothing
"""

import ctypes
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1
"""``linux/prctl.h``."""


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends (prctl(2), Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
