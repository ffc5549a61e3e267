"""Check settings beyond their form: folders, port, peers, environment."""

import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from node.config import EMBEDDED, Settings, unknown_variables
from node.delivery.outbox import destination_peer
from node.errors import DeliveryError
from node.intake.listener import listening_socket
from node.jobs.site_table import site_table
from node.tools.send_folder import echo
from pipelines.contract.feature_engine import require_engine
from pipelines.errors import BadDensityTable, EngineNotInstalled

OUR_OWN_VARIABLES: Final = frozenset({"OSTEONODE_HOST", "OSTEONODE_LUA", "OSTEONODE_PORT"})
"""Read by ``deploy/orthanc``, not by the node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line: a mistake with which the node does not work, or a note."""

    text: str
    is_mistake: bool = True


def findings(settings: Settings, *, with_peers: bool = False) -> list[Finding]:
    """All mistakes and notes.

    Parameters
    ----------
    with_peers
        Also C-ECHO every destination.
    """
    return [
        *_environment(),
        *_folder(settings.data_folder),
        *_port(settings),
        *_density_table(settings),
        *_radiomics_engine(settings),
        *_destinations(settings),
        *_access(settings),
        *(_peers(settings) if with_peers else []),
    ]


def without_passwords(settings: Settings) -> str:
    """Settings as JSON with the passwords of URLs masked."""
    return re.sub(r"(://[^:/@\s\"]*):[^@\s\"]+@", r"\1:***@", settings.model_dump_json(indent=2))


def _environment() -> list[Finding]:
    return [
        Finding(text=f"environment variable {name} is no setting; check its spelling")
        for name in unknown_variables()
        if name not in OUR_OWN_VARIABLES
    ]


def _folder(folder: Path) -> list[Finding]:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir():
        return [Finding(text=f"node.data_folder: {existing} is a file")]
    if not os.access(existing, os.W_OK | os.X_OK):
        return [Finding(text=f"node.data_folder: this user cannot write {existing}")]
    return []


def _port(settings: Settings) -> list[Finding]:
    try:
        listening_socket(settings).close()
    except OSError as error:
        where = f"{settings.node.bind} port {settings.node.port}"
        return [
            Finding(
                text=f"node.port: cannot listen on {where}: {error.strerror}; another node may run"
            )
        ]
    return []


def _density_table(settings: Settings) -> list[Finding]:
    try:
        site_table(settings.density_table_file)
    except BadDensityTable as error:
        return [Finding(text=f"density table: {error}")]
    return []


def _radiomics_engine(settings: Settings) -> list[Finding]:
    """Check this machine only; a worker elsewhere has its own environment."""
    try:
        require_engine(settings.radiomics.engine)
    except EngineNotInstalled as error:
        return [Finding(text=f"radiomics.engine: {error}")]
    return []


def _destinations(settings: Settings) -> list[Finding]:
    if not settings.destinations:
        return [
            Finding(text="destinations: none; results stay in the data folder", is_mistake=False)
        ]
    return [
        Finding(text=f"destinations.{one.name}: this is the node itself")
        for one in settings.destinations
        if one.port == settings.node.port and one.host in {"127.0.0.1", "localhost", "::1"}
    ]


def _access(settings: Settings) -> list[Finding]:
    found = []
    if not settings.intake.accepted_calling_ae_titles:
        text = "intake.accepted_calling_ae_titles: empty, any AE title may send"
        found.append(Finding(text=text, is_mistake=False))
    if settings.queue.broker != EMBEDDED:
        match = re.search(r"@?([^@/:]+):(\d+)", settings.queue.broker.partition("://")[2])
        if match and not _answers(match[1], int(match[2])):
            found.append(Finding(text=f"queue.broker: no connection to {match[1]}:{match[2]}"))
    return found


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError:
        return False
    return True


def _peers(settings: Settings) -> list[Finding]:
    found = []
    for one in settings.destinations:
        try:
            echo(destination_peer(settings, one))
        except DeliveryError as error:
            found.append(Finding(text=f"destinations.{one.name}: {error}"))
    return found
