"""Process a folder of DICOM with the selection and the pipelines of the node, without a ledger."""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from node.errors import ConfigError, OsteoNodeError
from node.jobs.dispatch import make_job, write_job
from node.series.selection import Loser, Selection
from node.tools.read_folder import FolderSelection, select_folder
from node.tools.report_view import in_words, show_result
from pipelines.contract.density_table import DensityTable, read_table
from pipelines.contract.generation import model_set_version
from pipelines.contract.job import (
    ATTEMPTS_FILE,
    JOB_FILE,
    LOCK_FILE,
    OUTCOME_FILE,
    RESULT_FILE,
    Outcome,
    read_outcome,
)
from pipelines.contract.reasons import EXPLANATION
from pipelines.reporting.result_document import no_series_result

LOG_FILE: Final = "process.log"
STATION_WORDS: Final = {
    "read": "reading the volume",
    "localize": "finding the spine",
    "segment": "segmenting the vertebrae",
    "measure": "measuring",
    "dxa_equivalent": "estimating areal density",
    "r_score": "scoring the vertebrae",
    "hip": "measuring the hips",
    "chest": "classifying L1 and L2",
    "radiomics": "extracting radiomic features",
    "report": "making SEG and report",
    "write": "writing files",
}


class ProcessingFailed(OsteoNodeError):
    """The pipelines have no result for the folder."""


def process_folder(
    folder: Path, out_folder: Path, *, console: Console, density_table: Path | None = None
) -> int:
    """Measure the best CT series of a folder and its subfolders.

    Returns
    -------
    int
        0, also if no result can be reported.

    Raises
    ------
    ConfigError
        ``folder`` has no DICOM file.
    BadDensityTable
        ``density_table`` cannot be used.
    ProcessingFailed
        The pipelines failed.
    """
    if not folder.exists():
        raise ConfigError(f"no such folder: {folder}", "", "choose a folder with DICOM files")
    out_folder = out_folder.absolute()
    out_folder.mkdir(parents=True, exist_ok=True)
    _forget_earlier(out_folder)
    with console.status("reading headers"):
        found = select_folder(folder.absolute())
    _show_losers(found.losers, console)
    if found.selection is None:
        if not found.losers:
            raise ConfigError(f"no DICOM file in {folder}", "", "choose a folder with DICOM files")
        _write_not_reported(found, out_folder)
    else:
        table = None if density_table is None else read_table(density_table)
        _process(found.selection, out_folder, console, table)
    show_result(out_folder / RESULT_FILE, console)
    for path in sorted(out_folder.iterdir()):
        if path.suffix in {".dcm", ".json"} and path.name not in {JOB_FILE, OUTCOME_FILE}:
            console.print(str(path), highlight=False, soft_wrap=True)
    return 0


def _forget_earlier(out_folder: Path) -> None:
    """Remove the files of an earlier run, and no others."""
    made = [JOB_FILE, OUTCOME_FILE, RESULT_FILE, ATTEMPTS_FILE, LOCK_FILE, LOG_FILE]
    with suppress(ValueError):  # an outcome of another version: its objects stay
        outcome = read_outcome(out_folder)
        made += [Path(one.path).name for one in outcome.objects] if outcome else []
    for name in made:
        (out_folder / name).unlink(missing_ok=True)


def _process(
    selection: Selection, out_folder: Path, console: Console, table: DensityTable | None
) -> None:
    job = make_job(selection, out_folder, density_table=table)
    job = job.model_copy(update={"output_folder": str(out_folder)})
    command = [sys.executable, "-m", "pipelines", "process", str(write_job(job))]
    log = out_folder / LOG_FILE
    with log.open("wb") as errors, console.status("starting") as status:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert process.stdout
        with process.stdout:
            for line in process.stdout:
                event = _event(line)
                if event.get("event") == "station_started":
                    station = str(event["station"])
                    status.update(STATION_WORDS.get(station, station))
                elif event.get("event") == "station_finished":
                    station = STATION_WORDS.get(event["station"], event["station"])
                    console.print(f"  {station:28} {event['seconds']:6.1f} s", highlight=False)
        process.wait()
    _check(read_outcome(out_folder), log)


def _event(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _check(outcome: Outcome | None, log: Path) -> None:
    if outcome is None:
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        raise ProcessingFailed(
            "the pipelines ended without an outcome: " + "".join(last), "", f"see {log}"
        )
    if outcome.failure:
        sentence = EXPLANATION[outcome.failure.reason]
        raise ProcessingFailed(f"{sentence} ({outcome.failure.detail})", "", f"see {log}")


def _show_losers(losers: tuple[Loser, ...], console: Console) -> None:
    if not losers:
        return
    table = Table("series not measured", "why", box=None)
    for one in losers:
        table.add_row(one.description or one.series_instance_uid, in_words(one.reason))
    console.print(table)


def _write_not_reported(found: FolderSelection, out_folder: Path) -> None:
    """Write ``result.json`` of a folder in which no series can be measured."""
    skipped = [(one.series_instance_uid, one.reason) for one in found.losers]
    document = no_series_result(skipped, model_set_version())
    text = document.model_dump_json(indent=2) + "\n"
    (out_folder / RESULT_FILE).write_text(text, encoding="utf-8")
