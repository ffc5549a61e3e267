"""Start a peer as a child process, wait until it listens, stop it for certain."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.peers.ports import is_listening
from tests.peers.waiting import wait_until


def find_program(name: str) -> str | None:
    """Path of a program, also where only an administrator's PATH reaches (``/usr/sbin``)."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")


def still_running(
    processes: Iterable[psutil.Process], *, timeout_s: float = 20
) -> list[psutil.Process]:
    """Processes that still run after ``timeout_s``; a zombie does not count as running.

    A process may end between any two calls, so each call may fail.
    """
    _, left = psutil.wait_procs(processes, timeout=timeout_s)
    working = []
    for process in left:
        with suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                working.append(process)
    return working


@contextmanager
def running(
    command: Sequence[str],
    *,
    port: int,
    log: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Child process that listens on ``port``; its output goes to ``log``.

    ``TCP_NODELAY=1`` is set for DCMTK and Orthanc: as receivers they stall 45 ms per object
    without it.
    """
    env = {**os.environ, "TCP_NODELAY": "1", **(environment or {})}
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=env)
    try:
        wait_until(
            lambda: is_listening(port) or process.poll() is not None,
            30,
            what=f"{command[0]} on port {port}",
        )
        assert process.poll() is None, log.read_text(errors="replace")[-3000:]
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
