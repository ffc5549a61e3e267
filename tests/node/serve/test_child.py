"""Child processes receive the stop signal also when their main thread is blocked."""

import signal
import subprocess
import sys

SLEEPER = """
import signal, threading
from node.serve.child import stop_on_signals

stop_event = stop_on_signals()
threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
print("waiting", flush=True)
stop_event.wait()
"""
"""The main thread blocks the signal, so the kernel delivers it to another thread."""


def test_a_signal_that_another_thread_takes_stops_the_process() -> None:
    """Python runs handlers in the main thread only, which is blocked."""
    for number in (signal.SIGTERM, signal.SIGINT):
        process = subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE)
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.readline() == b"waiting\n"
            process.send_signal(number)
            try:
                assert process.wait(20) == 0
            finally:
                process.kill()
                process.wait()
