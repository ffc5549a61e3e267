"""A child process ends with its parent, also with one that ended before the child was ready."""

import os
import subprocess
import sys

LATE = "from pipelines.worker.die_with_parent import die_with_parent as end; "


def test_a_child_whose_parent_is_gone_exits_at_once() -> None:
    """The parent has changed, so no signal would come any more."""
    child = f"{LATE} end({os.getpid()} + 1); print('alive')"
    run = subprocess.run([sys.executable, "-c", child], capture_output=True, check=False)
    assert (run.returncode, run.stdout) == (1, b"")


def test_a_child_of_a_running_parent_continues() -> None:
    """The child runs to its end."""
    child = f"{LATE} end({os.getpid()}); print('alive')"
    run = subprocess.run([sys.executable, "-c", child], capture_output=True, check=False)
    assert (run.returncode, run.stdout) == (0, b"alive\n")
