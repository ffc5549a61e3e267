"""One child process of the supervisor: settings from standard input, stop on SIGTERM.

usage: python -m node.serve.child listener NAME DESCRIPTOR | coordinator

The supervisor sends the settings as JSON, so that all its children have the same settings also
when the file changes. A child that is ready writes ``run/NAME.ready``.
"""

import signal
import socket
import sys
import threading
from typing import Final

import structlog

from node.config import Settings
from node.logs import configure_logging

log = structlog.get_logger(__name__)

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def main() -> None:
    """Run the process that the arguments name."""
    kind, *arguments = sys.argv[1:]
    settings = Settings.model_validate_json(sys.stdin.read())
    name = arguments[0] if arguments else kind
    configure_logging(name, settings.node)
    stop_event = stop_on_signals()
    if kind == "listener":
        from node.intake.listener import listen

        with socket.socket(fileno=int(arguments[1])) as listening:
            mark_ready(settings, name)
            listen(settings, listening, stop_event, writer=name)
    else:
        from node.serve.coordinator import run

        mark_ready(settings, name)
        run(settings, stop_event)
    log.info("stopped")


def stop_on_signals() -> threading.Event:
    """Event that SIGTERM and SIGINT set.

    The kernel may deliver a signal to any thread, but Python runs handlers in the main thread
    only, which may be blocked in a lock. So the interpreter writes the number of the signal to a
    socket (`signal.set_wakeup_fd`), and a separate thread reads it.
    """
    stop_event = threading.Event()
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    for number in STOP_SIGNALS:
        signal.signal(number, _noted)
    threading.Thread(
        target=_await_signal, args=(receiver, sender, stop_event), name="signals", daemon=True
    ).start()
    return stop_event


def _noted(_number: int, _frame: object) -> None:
    """Replace the default action, which would end the process at once."""


def _await_signal(
    receiver: socket.socket, _kept_open: socket.socket, stop_event: threading.Event
) -> None:
    while not stop_event.is_set():
        if set(receiver.recv(64)) & set(STOP_SIGNALS):
            stop_event.set()


def mark_ready(settings: Settings, name: str) -> None:
    """Write the ready file of this child; the supervisor checks it."""
    (settings.run_folder / f"{name}.ready").touch()


if __name__ == "__main__":
    main()
