"""One child process of the supervisor: settings from standard input, stop on SIGTERM.

Takes  Settings
Gives  nothing
Next   node.intake.listener, node.coordinator

usage: python -m node.process listener NAME DESCRIPTOR | coordinator

Settings come as JSON on standard input, so that all children of a supervisor have the same ones
however the file changes meanwhile. When the child works it makes ``run/NAME.ready``.
"""

import signal
import socket
import sys
import threading
from collections.abc import Callable

import structlog

from node.config import Settings
from node.logs import configure_logging

log = structlog.get_logger(__name__)


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
        from node.coordinator import run

        mark_ready(settings, name)
        run(settings, stop_event)
    log.info("stopped")


def stop_on_signals(also: Callable[[], None] | None = None) -> threading.Event:
    """Event that SIGTERM and SIGINT set."""
    stop_event = threading.Event()

    def stop(_number: int, _frame: object) -> None:
        stop_event.set()
        if also:
            also()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return stop_event


def mark_ready(settings: Settings, name: str) -> None:
    """Tell the supervisor that this child works."""
    (settings.run_folder / f"{name}.ready").touch()


if __name__ == "__main__":
    main()
