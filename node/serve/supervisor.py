"""The parent of all processes of a node: starts, watches, restarts and stops them.

The supervisor restarts a child that ends. It holds the listening socket, so that a sender waits
while a listener restarts. When the supervisor is killed, the kernel kills the children (Linux).
"""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from node.config import Settings
from node.errors import ConfigError
from node.intake.listener import listening_socket
from node.serve.child import stop_on_signals
from node.version import VERSION
from node.waiting import pause, wait_until
from pipelines.worker.die_with_parent import die_with_parent

WATCH_EVERY_S: Final = 0.1
FIRST_RESTART_S: Final = 0.2
MAX_RESTART_S: Final = 30.0
STEADY_AFTER_S: Final = 60.0
"""After this run time the next restart of a child has the shortest wait."""
STOP_WAIT_S: Final = 15.0
READY_WITHIN_S: Final = 60.0
"""A start that takes longer logs a warning and continues."""
READY_FILE: Final = "ready"

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Child:
    """One child process and its history; it writes ``run/NAME.ready`` when it is ready."""

    name: str
    command: Sequence[str]
    descriptors: tuple[int, ...] = ()
    takes_settings: bool = True
    stop_wait_s: float = STOP_WAIT_S
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    restart_in_s: float = FIRST_RESTART_S


def serve(settings: Settings, *, with_worker: bool = True) -> None:
    """Run a node until SIGTERM or SIGINT.

    Raises
    ------
    ConfigError
        The data folder or the port cannot be used, or another node uses one of them.
    """
    stop_event = stop_on_signals()
    _make_folders(settings)
    with _only_one(settings.run_folder), _port(settings) as listening:
        _clear_marks(settings.run_folder)
        children = _children(settings, listening, with_worker=with_worker)
        try:
            _watch(settings, children, stop_event)
        finally:
            (settings.run_folder / READY_FILE).unlink(missing_ok=True)
            _stop(settings, children)
            log.info("stopped")


def worker_command(settings: Settings) -> list[str]:
    """Command line of a worker, for `serve` and for ``osteonode worker``."""
    return [
        *(sys.executable, "-m", "pipelines.worker"),
        *("--broker", settings.queue.broker),
        *("--embedded-folder", str(settings.queue_folder)),
        *("--concurrency", str(settings.worker.concurrency)),
        *("--time-limit-s", str(settings.worker.time_limit_s)),
    ]


def _children(settings: Settings, listening: socket.socket, *, with_worker: bool) -> list[Child]:
    module = [sys.executable, "-m", "node.serve.child"]
    descriptor = listening.fileno()
    children = []
    for number in range(settings.node.listener_processes):
        name = "listener" if number == 0 else f"listener-{number + 1}"
        command = [*module, "listener", name, str(descriptor)]
        children.append(Child(name, command, descriptors=(descriptor,)))
    children.append(Child("coordinator", [*module, "coordinator"]))
    if with_worker:
        worker = Child(
            "worker",
            worker_command(settings),
            takes_settings=False,
            stop_wait_s=settings.worker.stop_wait_s,
        )
        worker.command = [*worker.command, "--ready-file", str(_ready_file(settings, worker))]
        children.append(worker)
    return children


def _watch(settings: Settings, children: list[Child], stop_event: threading.Event) -> None:
    log.info("starting", version=VERSION, folder=str(settings.data_folder))
    is_announced, is_late = False, False
    late_at = time.monotonic() + READY_WITHIN_S
    while not stop_event.is_set():
        for child in children:
            _keep_running(settings, child)
        missing = [] if is_announced else [c.name for c in children if not _is_ready(settings, c)]
        if missing and not is_late and time.monotonic() > late_at:
            remedy = "see their log lines; a worker waits for its broker (queue.broker)"
            log.warning("not_ready", missing=missing, remedy=remedy)
            is_late = True
        if not is_announced and not missing:
            (settings.run_folder / READY_FILE).touch()
            log.info(
                "ready",
                ae_title=settings.node.ae_title,
                address=settings.node.bind,
                port=settings.node.port,
                listeners=settings.node.listener_processes,
                broker=settings.queue.broker.partition("://")[0],
            )
            is_announced = True
        pause(stop_event, WATCH_EVERY_S)


def _keep_running(settings: Settings, child: Child) -> None:
    now = time.monotonic()
    if child.process is None:
        if now >= child.start_at:
            _start(settings, child)
        return
    exit_code = child.process.poll()
    if exit_code is None:
        return
    if now - child.started_at > STEADY_AFTER_S:
        child.restart_in_s = FIRST_RESTART_S
    log.error(
        "process_died", worker=child.name, exit_code=exit_code, restart_in_s=child.restart_in_s
    )
    _signal(child, signal.SIGKILL)  # its own children, if it left any
    _forget(settings, child)
    child.start_at = now + child.restart_in_s
    child.restart_in_s = min(2 * child.restart_in_s, MAX_RESTART_S)


def _start(settings: Settings, child: Child) -> None:
    parent = os.getpid()
    child.process = subprocess.Popen(
        child.command,
        stdin=subprocess.PIPE if child.takes_settings else subprocess.DEVNULL,
        pass_fds=child.descriptors,
        process_group=0,  # Ctrl-C reaches only the supervisor, which stops the children in order
        preexec_fn=lambda: die_with_parent(parent),
    )
    child.started_at = time.monotonic()
    _pid_file(settings, child).write_text(str(child.process.pid))
    if child.process.stdin:
        try:
            with child.process.stdin as stream:
                stream.write(settings.model_dump_json().encode())
        except BrokenPipeError:  # the child has ended; the next round of `_watch` logs it
            return


def _is_ready(settings: Settings, child: Child) -> bool:
    is_running = child.process is not None and child.process.poll() is None
    return is_running and _ready_file(settings, child).exists()


def _stop(settings: Settings, children: list[Child]) -> None:
    """SIGTERM to all children; then SIGKILL to the group of each that takes too long."""
    running = [child for child in children if child.process is not None]
    for child in running:
        _signal(child, signal.SIGTERM)
    for child in running:
        process = child.process
        assert process is not None
        if wait_until(lambda one=process: one.poll() is not None, child.stop_wait_s) is None:  # type: ignore[misc]
            log.warning("process_killed", worker=child.name)
        _signal(child, signal.SIGKILL)
        process.wait()
        _forget(settings, child)


def _signal(child: Child, number: signal.Signals) -> None:
    assert child.process is not None
    try:
        if number == signal.SIGKILL:
            os.killpg(child.process.pid, number)
        else:
            child.process.send_signal(number)
    except ProcessLookupError:
        return


def _forget(settings: Settings, child: Child) -> None:
    child.process = None
    _pid_file(settings, child).unlink(missing_ok=True)
    _ready_file(settings, child).unlink(missing_ok=True)


def _pid_file(settings: Settings, child: Child) -> Path:
    return settings.run_folder / f"{child.name}.pid"


def _ready_file(settings: Settings, child: Child) -> Path:
    return settings.run_folder / f"{child.name}.ready"


def _make_folders(settings: Settings) -> None:
    try:
        for folder in (
            settings.spool_folder,
            settings.work_folder,
            settings.queue_folder,
            settings.run_folder,
        ):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot use the data folder {settings.data_folder}: {error.strerror}",
            "",
            "set node.data_folder to a folder that this user can write",
        ) from error


def _clear_marks(run_folder: Path) -> None:
    """Remove files of a node that was killed."""
    for pattern in ("*.ready", "listener*.pid", "coordinator.pid", "worker.pid", READY_FILE):
        for stale in run_folder.glob(pattern):
            stale.unlink(missing_ok=True)


@contextmanager
def _only_one(run_folder: Path) -> Iterator[None]:
    """Lock the data folder; the kernel releases the lock when this process ends in any way."""
    with (run_folder / "supervisor.pid").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise ConfigError(
                f"another node (process {file.read().strip()}) uses {run_folder.parent}",
                "",
                "stop it or set another node.data_folder",
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def _port(settings: Settings) -> Iterator[socket.socket]:
    try:
        listening = listening_socket(settings)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {settings.node.bind} port {settings.node.port}: {error.strerror}",
            "",
            "set node.bind and node.port to an address of this machine and a free port",
        ) from error
    with listening:
        yield listening
