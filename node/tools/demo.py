"""Demonstration on one machine: send a CT to a node, receive SEG and Structured Report.

The node runs as in service (``osteonode serve`` on a settings file); ``node.tools.demo_archive``
takes the role of the PACS.
"""

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from node.config import Settings, load_settings
from node.dicom_peer import Peer
from node.errors import ConfigError, OsteoNodeError
from node.ledger.balance import Balance
from node.ledger.ledger import Ledger
from node.tools.demo_archive import Archive, running_archive
from node.tools.identity import completed_copy
from node.tools.report_view import in_words, show_result
from node.tools.send_folder import send_folder
from node.tools.simulation import nifti_as_dicom, simulate_examination
from node.waiting import nap, wait_until
from pipelines.contract.job import RESULT_FILE, Outcome, read_outcome

MARKER: Final = ".osteonode-demo"
READY_WAIT_S: Final = 180.0
STOP_WAIT_S: Final = 40.0
LOG_LINES: Final = 15
NIFTI_SUFFIXES: Final = (".nii", ".nii.gz")
SETTINGS: Final = """\
# Written by "osteonode demo", with short waiting times.
[node]
bind = "127.0.0.1"
port = {node_port}
data_folder = "{data_folder}"
listener_processes = 1

[intake]
min_free_gb = 0.5

[series]
quiet_time_s = 2
study_quiet_time_s = 2
incomplete_wait_s = 5

[[destinations]]
name = "demo archive"
ae_title = "{archive_ae_title}"
host = "127.0.0.1"
port = {archive_port}
"""
STAGES: Final = {
    "association_closed": "received; waiting for the study to be complete",
    "series_chosen": "series chosen",
    "job_enqueued": "waiting for a worker",
    "job_started": "finding, segmenting and measuring vertebrae",
    "job_finished": "returning SEG and report",
    "output_delivered": "returning SEG and report",
}


class DemoFailed(OsteoNodeError):
    """The demonstration has no result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """Folders and peers of one demonstration."""

    folder: Path
    settings: Settings
    config: Path
    archive: Archive

    @property
    def log(self) -> Path:
        """Log of the node."""
        return self.folder / "node.log"


def run_demo(ct: Path | None, folder: Path, *, timeout_s: float, console: Console) -> int:
    """Run the demonstration.

    Parameters
    ----------
    ct
        Folder of DICOM or a NIfTI file; ``None``: simulate an examination.
    folder
        Folder for all files; emptied if an earlier demonstration made it.

    Returns
    -------
    int
        0 if the report was returned, 1 otherwise.
    """
    folder = folder.absolute()
    _empty(folder)
    dicom = _examination(ct, folder, console)
    with _demo(folder) as demo, _running_node(demo):
        try:
            _await_ready(demo, console)
            _send(dicom, demo, console)
            _await_results(demo, timeout_s, console)
        except OsteoNodeError as error:
            console.print(f"[red]{error}[/]", highlight=False)
            _show_log(demo, console)
            return 1
    return _show(demo, console)


def _empty(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise ConfigError(
            f"{folder} has files that are not of a demonstration", "", "choose another --out folder"
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARKER).touch()


def _examination(ct: Path | None, folder: Path, console: Console) -> Path:
    """Folder of DICOM to send."""
    made = folder / "examination"
    if ct is None:
        console.print("Simulating an examination of a virtual patient ...")
        return simulate_examination(made, ["--preset", "demo"])
    if not ct.exists():
        raise ConfigError(f"no such file or folder: {ct}", "a folder of DICOM or a NIfTI file", "")
    if ct.is_file() and ct.name.endswith(NIFTI_SUFFIXES):
        console.print(f"Writing {ct.name} as DICOM ...")
        return nifti_as_dicom(ct, made)
    return ct


@contextmanager
def _demo(folder: Path) -> Iterator[Demo]:
    node_port, archive_port = _free_ports()
    with running_archive(folder / "archive", archive_port) as archive:
        config = folder / "osteonode.toml"
        config.write_text(
            SETTINGS.format(
                node_port=node_port,
                data_folder=folder / "node",
                archive_ae_title=archive.ae_title,
                archive_port=archive.port,
            ),
            encoding="utf-8",
        )
        yield Demo(folder=folder, settings=load_settings(config), config=config, archive=archive)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return int(first.getsockname()[1]), int(second.getsockname()[1])


@contextmanager
def _running_node(demo: Demo) -> Iterator[None]:
    command = [sys.executable, "-m", "node", "serve", "--config", str(demo.config)]
    with demo.log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(demo: Demo, console: Console) -> None:
    with console.status("starting the node"):
        ready = demo.settings.run_folder / "ready"
        if not wait_until(ready.exists, READY_WAIT_S):
            raise DemoFailed(f"the node was not ready after {READY_WAIT_S:.0f} s", "", "")
    console.print(f"Node {demo.settings.node.ae_title} listens on port {demo.settings.node.port}.")


def _send(dicom: Path, demo: Demo, console: Console) -> None:
    node = demo.settings.node
    peer = Peer(
        ae_title=node.ae_title,
        host="127.0.0.1",
        port=node.port,
        calling_ae_title=demo.archive.ae_title,
    )
    dicom, completed = completed_copy(dicom, demo.folder / "completed")
    if completed:
        console.print(f"{completed} objects have empty identifiers: sending completed copies.")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    start = time.monotonic()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("sending by C-STORE", total=None)
        report = send_folder(
            dicom,
            peer,
            on_file=lambda done, total: progress.update(task, completed=done, total=total),
        )
    console.print(f"Sent {report.sent} objects by C-STORE in {time.monotonic() - start:.1f} s.")
    for words, count in sorted(report.statuses.items()):
        if not words.startswith("0x0000"):
            console.print(f"  {count} x {words}", style="yellow")
    if not report.sent:
        raise DemoFailed("the node accepted no object", "a CT", "see the log of the node")


def _await_results(demo: Demo, timeout_s: float, console: Console) -> None:
    """Wait until the ledger has no waiting object, and show the progress."""
    ledger = Ledger.open(demo.settings.ledger_url)
    deadline = time.monotonic() + timeout_s
    with console.status("waiting for a complete series") as status:
        while True:
            balance = ledger.balance()
            if balance.received and not balance.waiting:
                break
            if time.monotonic() > deadline:
                raise DemoFailed(f"no result after {timeout_s:.0f} s", "", "raise --timeout")
            status.update(f"{_stage(demo)} ({balance.waiting} objects in work)")
            nap(0.5)
    if not demo.archive.find("SR"):
        raise DemoFailed(_why_nothing(demo, balance), "", "")


def _stage(demo: Demo) -> str:
    """Latest station in the log."""
    for line in reversed(_log_lines(demo)):
        words = STAGES.get(str(line.get("event")))
        if words:
            return words
    return "waiting for the series to be complete"


def _why_nothing(demo: Demo, balance: Balance) -> str:
    failures = [outcome.failure for outcome in _outcomes(demo) if outcome.failure]
    codes: list[str] = [failure.reason for failure in failures] or [
        str(reason) for reason in balance.reasons
    ]
    return "no report was returned: " + ("; ".join(map(in_words, codes)) or "see the log")


def _outcomes(demo: Demo) -> list[Outcome]:
    folders = sorted(demo.settings.work_folder.glob("*/"))
    return [outcome for outcome in map(read_outcome, folders) if outcome]


def _show(demo: Demo, console: Console) -> int:
    for path in sorted(demo.settings.work_folder.glob(f"*/{RESULT_FILE}")):
        show_result(path, console)
    console.print("\nBack in the archive:")
    for modality in ("SEG", "SR", "SC", "OT"):
        for path in demo.archive.find(modality):
            console.print(f"  {modality:3} {path}", highlight=False, soft_wrap=True)
    for path in sorted(demo.settings.work_folder.glob(f"*/{RESULT_FILE}")):
        console.print(f"JSON  {path}", highlight=False, soft_wrap=True)
    console.print(f"Log   {demo.log}", highlight=False, soft_wrap=True)
    return 0


def _show_log(demo: Demo, console: Console) -> None:
    console.print(f"Last lines of {demo.log}:", highlight=False, soft_wrap=True)
    for line in demo.log.read_text(errors="replace").splitlines()[-LOG_LINES:]:
        console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


def _log_lines(demo: Demo) -> list[dict[str, Any]]:
    found = []
    for line in demo.log.read_text(errors="replace").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return [line for line in found if isinstance(line, dict)]
