"""Run a real Orthanc with the settings of ``deploy/orthanc``, unchanged."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers.ports import free_port
from tests.peers.processes import find_program, running

DEPLOY = Path(__file__).parents[2] / "deploy" / "orthanc"


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc.

    Parameters
    ----------
    dicom_port, http_port
        On the loopback interface.
    """

    dicom_port: int
    http_port: int
    log: Path
    ae_title: str = "ORTHANC"

    def get(self, path: str) -> Any:
        """Answer of ``GET path`` of the REST API."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}") as answer:
            return json.load(answer)

    def file(self, instance_id: str) -> bytes:
        """DICOM file of one stored instance."""
        url = f"http://127.0.0.1:{self.http_port}/instances/{instance_id}/file"
        with urllib.request.urlopen(url) as answer:
            return bytes(answer.read())

    def upload(self, content: bytes) -> str:
        """Store a DICOM file through the REST API; its Orthanc identifier."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http_port}/instances", data=content, method="POST"
        )
        with urllib.request.urlopen(request) as answer:
            return str(json.load(answer)["ID"])

    def instances(self, modality: str) -> list[str]:
        """Identifiers of all stored instances of one modality."""
        series = self.get("/series?expand")
        return [
            instance
            for one in series
            if one["MainDicomTags"].get("Modality") == modality
            for instance in one["Instances"]
        ]


@contextmanager
def running_orthanc(
    folder: Path, *, node_port: int, stable_age_s: int = 2, lua: bool = True
) -> Iterator[Orthanc]:
    """Orthanc with its files in ``folder``, which routes CTs to a node on ``node_port``."""
    program = find_program("Orthanc")
    assert program is not None
    orthanc = Orthanc(dicom_port=free_port(), http_port=free_port(), log=folder / "orthanc.log")
    script = DEPLOY / "osteonode.lua"
    if not lua:
        script = folder / "nothing.lua"
        script.write_text("")
    environment = {
        "ORTHANC_STORAGE": str(folder / "orthanc"),
        "ORTHANC_DICOM_PORT": str(orthanc.dicom_port),
        "ORTHANC_HTTP_PORT": str(orthanc.http_port),
        "ORTHANC_STABLE_AGE": str(stable_age_s),
        "OSTEONODE_PORT": str(node_port),
        "OSTEONODE_LUA": str(script),
    }
    command = [program, str(DEPLOY / "orthanc.json")]
    with running(command, port=orthanc.http_port, log=orthanc.log, environment=environment):
        yield orthanc
