"""A whole node as its user starts it: ``osteonode serve`` with a TOML file, in its own processes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers.waiting import wait_until

OSTEONODE = [sys.executable, "-m", "node"]


@dataclass(frozen=True)
class Node:
    """A running node.

    Parameters
    ----------
    folder
        Its data folder.
    """

    config: Path
    folder: Path
    port: int
    log: Path

    def status(self) -> dict[str, Any]:
        """The balance of the ledger, as ``osteonode status --json`` prints it."""
        run = subprocess.run(
            [*OSTEONODE, "status", "--config", str(self.config), "--json"],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        balance: dict[str, Any] = json.loads(run.stdout)
        return balance

    def kill(self, name: str) -> None:
        """``kill -9`` one of the node's processes: listener, coordinator or worker."""
        os.kill(self.pid(name), signal.SIGKILL)

    def pid(self, name: str) -> int:
        """Process number, from the pid file."""
        return int((self.folder / "run" / f"{name}.pid").read_text())

    def results(self) -> dict[str, dict[str, Any]]:
        """Finished results by series UID, from the job folders."""
        found = {}
        for path in (self.folder / "work").glob("*/result.json"):
            if (path.parent / "outcome.json").exists():
                result = json.loads(path.read_text())
                job = json.loads((path.parent / "job.json").read_text())
                found[job["series_instance_uid"]] = result
        return found

    def tail(self) -> str:
        """The last lines of the log, for messages of failed tests."""
        return self.log.read_text(errors="replace")[-4000:]


def write_config(
    folder: Path,
    *,
    port: int,
    destination: tuple[str, int],
    broker: str = "embedded",
    extra: str = "",
) -> Path:
    """Node settings with short waits, one destination (AE title, port) on this host."""
    folder.mkdir(parents=True, exist_ok=True)
    ae_title, peer_port = destination
    config = folder / "osteonode.toml"
    config.write_text(
        f"""
[node]
data_folder = "{folder / "data"}"
port = {port}

[series]
quiet_time_s = 2
study_quiet_time_s = 2
incomplete_wait_s = 3

[queue]
broker = "{broker}"

[[destinations]]
name = "pacs"
ae_title = "{ae_title}"
host = "127.0.0.1"
port = {peer_port}
{extra}
"""
    )
    return config


@contextmanager
def running_node(config: Path, *, port: int, options: Sequence[str] = ()) -> Iterator[Node]:
    """``osteonode serve`` until the end of the context; its log lies beside the settings."""
    log = config.parent / "node.log"
    folder = config.parent / "data"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*OSTEONODE, "serve", "--config", str(config), *options], stdout=output, stderr=output
        )
    node = Node(config=config, folder=folder, port=port, log=log)
    try:
        wait_until(
            lambda: (folder / "run" / "ready").exists() or process.poll() is not None,
            120,  # a worker loads its networks' libraries first
            what="the node to be ready",
        )
        assert process.poll() is None, node.tail()
        yield node
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
