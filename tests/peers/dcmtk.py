"""DCMTK as the sender and as a plain receiver."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.ports import free_port
from tests.peers.processes import find_program, running


def dcmsend(
    files: Path, *, port: int, called: str = "OSTEONODE", calling: str = "DCMSEND"
) -> subprocess.CompletedProcess[str]:
    """Send a folder, recursively, in the transfer syntaxes of the files."""
    command = ["dcmsend", "-v", "-aet", calling, "-aec", called, "+sd", "+r", "+ma", "-nh"]
    return _run([*command, "127.0.0.1", str(port), str(files)])


def storescu(
    *files: Path,
    port: int,
    called: str = "OSTEONODE",
    calling: str = "STORESCU",
    options: tuple[str, ...] = (),
) -> subprocess.CompletedProcess[str]:
    """Send files one after the other and print every C-STORE status."""
    command = ["storescu", "-v", "-aet", calling, "-aec", called, *options, "127.0.0.1", str(port)]
    return _run([*command, *map(str, files)])


def echoscu(port: int, called: str = "OSTEONODE") -> subprocess.CompletedProcess[str]:
    """C-ECHO."""
    return _run(["echoscu", "-v", "-aec", called, "127.0.0.1", str(port)])


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=240,
    )


@dataclass(frozen=True)
class StoreScp:
    """A running ``storescp`` and the folder that it writes to."""

    port: int
    folder: Path
    ae_title: str = "STORESCP"


@contextmanager
def running_storescp(folder: Path, port: int | None = None) -> Iterator[StoreScp]:
    """DCMTK's storescp for the time of the context."""
    program = find_program("storescp")
    assert program is not None
    received = folder / "received"
    received.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    # --bit-preserving: write what came, as an archive should.
    command = [
        program,
        "-aet",
        "STORESCP",
        "-od",
        str(received),
        "-pm",
        "+B",
        "-pdu",
        "131072",
        str(port),
    ]
    with running(command, port=port, log=folder / "storescp.log"):
        yield StoreScp(port=port, folder=received)
