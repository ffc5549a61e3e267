"""A listener alone, as the supervisor starts it: its own process on a free port."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.config import Settings, load_settings
from node.dicom_peer import Peer
from node.intake.listener import listening_socket
from node.ledger.ledger import Ledger
from node.tools.send_folder import SendReport, send_folder
from tests.peers.ports import free_port
from tests.peers.waiting import wait_until


@dataclass
class Listener:
    """A running listener process."""

    settings: Settings
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def port(self) -> int:
        return self.settings.node.port

    @property
    def folder(self) -> Path:
        return self.settings.data_folder

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Log lines of one kind."""
        found = [json.loads(line) for line in self.log.read_text().splitlines() if line[:1] == "{"]
        return [line for line in found if line["event"] == event]

    def await_line(self, event: str) -> dict[str, Any]:
        """Last log line of one kind, once there is one."""
        return wait_until(lambda: self.lines(event), 10, what=f"{event} in {self.log}")[-1]

    def send(self, path: Path, *, called: str = "OSTEONODE", calling: str = "TEST") -> SendReport:
        """Send a file or folder as it is, broken ones too."""
        peer = Peer(ae_title=called, host="127.0.0.1", port=self.port, calling_ae_title=calling)
        return send_folder(path, peer)

    def balance(self) -> Any:
        """Balance of the ledger."""
        return Ledger.open(self.settings.ledger_url).balance()


def settings_for(folder: Path, text: str = "") -> Settings:
    """Settings of a node in ``folder`` on a free loopback port, with extra TOML."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "osteonode.toml"
    config.write_text(
        f'[node]\nbind = "127.0.0.1"\nport = {free_port()}\ndata_folder = "{folder / "data"}"\n{text}'
    )
    return load_settings(config)


def intake_section(server: str, *lines: str) -> str:
    """Section ``intake`` of a settings file with this server."""
    return "\n".join(["[intake]", f'server = "{server}"', *lines, ""])


@contextmanager
def running_listener(folder: Path, text: str = "") -> Iterator[Listener]:
    """One listener process until the end of the context."""
    settings = settings_for(folder, text)
    for part in (settings.spool_folder, settings.run_folder):
        part.mkdir(parents=True, exist_ok=True)
    with listening_socket(settings) as listening:
        listener = start_listener(settings, listening.fileno(), folder / "listener.log")
        try:
            yield listener
        finally:
            listener.process.terminate()
            listener.process.wait(20)


def start_listener(settings: Settings, descriptor: int, log: Path) -> Listener:
    """Start the process and wait until it works."""
    mark = settings.run_folder / "listener.ready"
    mark.unlink(missing_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "node.serve.child", "listener", "listener", str(descriptor)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=(descriptor,),
        )
    assert process.stdin
    with process.stdin as stream:
        stream.write(settings.model_dump_json().encode())
    wait_until(lambda: mark.exists() or process.poll() is not None, 30, what="the listener")
    assert process.poll() is None, log.read_text()
    return Listener(settings=settings, process=process, log=log)
