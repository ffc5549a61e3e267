"""Read the state of the node: its processes by their ready files, its workers by a ping.

A running process may still be loading, or may wait for its broker. Listener and coordinator write
their ready file when they are ready, a worker when Celery is connected (``node.serve.supervisor``). A
ping over the broker reaches workers on every machine.
"""

import fcntl
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kombu.exceptions import OperationalError

from node.config import Settings
from pipelines.worker.app import make_app

SUPERVISOR: Final = "supervisor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """State of the node now.

    Parameters
    ----------
    is_running
        A supervisor holds the data folder.
    processes
        ``ready``, ``starting`` or ``dead`` by name.
    workers
        Names of the workers that answered.
    """

    is_running: bool
    processes: Mapping[str, str]
    workers: tuple[str, ...]

    @property
    def is_ready(self) -> bool:
        """Whether an examination that arrives now is measured."""
        return self.is_running and bool(self.workers) and set(self.processes.values()) == {"ready"}


def health_of(settings: Settings, *, timeout_s: float) -> Health:
    """Read the ready files and ping the workers, for at most ``timeout_s`` seconds."""
    return Health(
        is_running=_is_locked(settings.run_folder / f"{SUPERVISOR}.pid"),
        processes=process_states(settings.run_folder),
        workers=_answering_workers(settings, timeout_s),
    )


def process_states(run_folder: Path) -> dict[str, str]:
    """State of every process of the supervisor, by its files."""
    files = sorted(run_folder.glob("*.pid"))
    return {path.stem: _state(path) for path in files if path.stem != SUPERVISOR}


def _state(pid_file: Path) -> str:
    try:
        os.kill(int(pid_file.read_text()), 0)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return "dead"
    except PermissionError:  # it runs as another user
        pass
    return "ready" if pid_file.with_suffix(".ready").exists() else "starting"


def _is_locked(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _answering_workers(settings: Settings, timeout_s: float) -> tuple[str, ...]:
    app = make_app(settings.queue.broker, embedded_folder=settings.queue_folder)
    app.conf.update(
        broker_connection_timeout=timeout_s,
        broker_transport_options={
            **app.conf.broker_transport_options,
            "socket_connect_timeout": timeout_s,
            "socket_timeout": timeout_s,
            "max_retries": 0,
        },
    )
    try:
        answers = app.control.inspect(timeout=timeout_s).ping()
    except (OperationalError, OSError):
        return ()
    return tuple(sorted(answers or ()))
