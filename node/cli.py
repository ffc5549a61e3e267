"""The command line: ``osteonode``.

Exit codes: 0 done, 1 something failed, 2 a mistake in the call or in the settings. A mistake of
the user prints one red line with its remedy, never a traceback. ``python -m node.cli_docs``
writes ``docs/cli.md`` from this module.

Each command imports its own module when it runs, so that ``osteonode --help`` loads neither the
settings nor DICOM libraries.
"""

import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from node.errors import ConfigError, OsteoNodeError, PeerRefused, PeerUnreachable
from pipelines.contract.calibration import Standard

if TYPE_CHECKING:
    from node.config import Settings

app = typer.Typer(
    name="osteonode",
    help="Bone health from routine CT: a DICOM node that takes CTs and returns SEG and SR.\n\n"
    "For research use only, not for diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
config_app = typer.Typer(help="Check and print the settings.", no_args_is_help=True)
models_app = typer.Typer(help="List the networks.", no_args_is_help=True)
calibrate_app = typer.Typer(
    help="Calibrate density for a scanner, from a phantom scan or from pairs.",
    no_args_is_help=True,
)
app.add_typer(config_app, name="config")
app.add_typer(calibrate_app, name="calibrate")
app.add_typer(models_app, name="models")

out = Console()
err = Console(stderr=True)

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="Settings file. [default: $OSTEONODE_CONFIG, else "
        "./osteonode.toml, else /etc/osteonode.toml]",
        show_default=False,
    ),
]


def main() -> None:
    """Run the command; print each `OsteoNodeError` as one line."""
    try:
        app()
    except OsteoNodeError as error:
        _explain(error)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    except BrokenPipeError:  # the program that reads the output has ended (head, less)
        sys.exit(0)


def _settings(file: Path | None) -> "Settings":
    from node.config import load_settings

    return load_settings(file)


def _log(process: str, settings: "Settings | None" = None) -> None:
    from node.logs import configure_logging

    configure_logging(process, None if settings is None else settings.node)


def _explain(error: OsteoNodeError) -> None:
    text = Text("error: ", style="bold red").append(Text(error.found, style="red"))
    if error.expected:
        text.append(f"; expected {error.expected}", style="red")
    if error.remedy:
        text.append(f"\n  → {error.remedy}", style="yellow")
    err.print(text)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from node.version import VERSION
        from pipelines.contract.generation import model_set_version

        out.print(f"osteonode {VERSION} (models {model_set_version()})", highlight=False)
        raise typer.Exit


@app.command()
def serve(
    config: ConfigOption = None,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Workers run elsewhere (osteonode worker).")
    ] = False,
) -> None:
    """Run the node until Ctrl-C: receive CTs, measure them and return results."""
    from node.serve import supervisor

    settings = _settings(config)
    _log("supervisor", settings)
    supervisor.serve(settings, with_worker=not no_worker)


@app.command()
def worker(config: ConfigOption = None) -> None:
    """Run a worker without a node; it needs the data folder and the broker of the node."""
    from node.serve.supervisor import worker_command

    settings = _settings(config)
    command = worker_command(settings)
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606  the worker takes the place of this process


@app.command()
def demo(
    ct: Annotated[
        Path | None,
        typer.Option(
            "--ct", help="A folder of DICOM or a NIfTI file in place of the simulated CT."
        ),
    ] = None,
    out_folder: Annotated[
        Path, typer.Option("--out", help="Folder for all files; emptied first.")
    ] = Path("demo-out"),
    timeout_s: Annotated[float, typer.Option("--timeout", help="Seconds to wait.")] = 1200,
) -> None:
    """Demonstrate the node on this machine: send a CT, receive SEG and report."""
    from node.tools.demo import run_demo

    raise typer.Exit(run_demo(ct, out_folder, timeout_s=timeout_s, console=out))


@app.command()
def selftest(
    config: ConfigOption = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            help="Examination to send; can be repeated. [default: all]",
            show_default=False,
        ),
    ] = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout", help="Seconds to wait for each result.")
    ] = 900,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Test the running node with simulated examinations of known truth.

    Run it on the host of the node, with its settings. The node delivers the results to every
    destination, for the patient VIRTUAL^COHORT. Exit code 0: every value is within its tolerance;
    1: a value is not; 2: the node cannot be reached.
    """
    from node.tools.selftest import EXAMINATIONS, run_selftest

    settings = _settings(config)
    _log("selftest")
    known = [one.name for one in EXAMINATIONS]
    for name in only or ():
        if name not in known:
            raise ConfigError(f"no examination {name!r}", "one of " + ", ".join(known), "")
    try:
        code = run_selftest(
            settings, only=only or (), timeout_s=timeout_s, as_json=as_json, out=out, err=err
        )
    except (PeerUnreachable, PeerRefused) as error:
        _explain(error)
        raise typer.Exit(2) from error
    raise typer.Exit(code)


@app.command()
def send(
    folder: Annotated[
        Path, typer.Argument(help="DICOM file, or folder that is searched with its subfolders.")
    ],
    to: Annotated[str, typer.Option("--to", help="Receiver, as AET@HOST:PORT.")],
    calling: Annotated[str, typer.Option("--from", help="Own AE title.")] = "OSTEOSEND",
) -> None:
    """Send DICOM files by C-STORE, unchanged; exit code 1 if the receiver refused any."""
    from node.dicom_peer import Peer
    from node.tools.send_folder import send_folder

    _log("send")
    if not folder.exists():
        raise ConfigError(f"no such folder: {folder}", "", "choose a folder with DICOM files")
    peer = Peer.parse(to, calling_ae_title=calling)
    with progress_bar() as progress:
        task = progress.add_task(f"sending to {peer}", total=None)
        report = send_folder(
            folder,
            peer,
            on_file=lambda done, total: progress.update(task, completed=done, total=total),
        )
    table = Table("answer", "files", box=None)
    for words, count in sorted(report.statuses.items()):
        table.add_row(words, str(count))
    out.print(table)
    if report.not_dicom:
        out.print(f"{report.not_dicom} files were not sent: they are not DICOM")
    raise typer.Exit(1 if report.failed else 0)


@app.command()
def status(
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Print the balance of the ledger: the state of every received object."""
    from node.ledger.ledger import Ledger
    from node.serve.health import process_states

    settings = _settings(config)
    balance = Ledger.open(settings.ledger_url).balance()
    processes = process_states(settings.run_folder)
    values = {**dataclasses.asdict(balance), "is_balanced": balance.is_balanced}
    values["processes"] = processes
    if as_json:
        sys.stdout.write(json.dumps(values, default=str) + "\n")
        return
    table = Table("objects", "", title="OsteoNode", title_justify="left", box=None)
    for name, value in values.items():
        if isinstance(value, int) and not isinstance(value, bool):
            table.add_row(name, str(value))
    out.print(table)
    for reason, count in sorted(values.get("reasons", {}).items()):
        out.print(f"  {count} x {_sentence(str(reason))}", highlight=False)
    for name, state in processes.items():
        out.print(f"{name}: {state}", highlight=False)
    words = "received = skipped + waiting + failed + delivered"
    out.print(f"[green]balanced:[/] {words}" if balance.is_balanced else f"[red]NOT {words}[/]")


@app.command()
def health(
    config: ConfigOption = None,
    timeout_s: Annotated[float, typer.Option("--timeout", help="Longest wait, in seconds.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Print the state of processes and workers; exit code 1 if the node is not ready."""
    from node.serve.health import health_of

    found = health_of(_settings(config), timeout_s=timeout_s)
    if as_json:
        values = {**dataclasses.asdict(found), "is_ready": found.is_ready}
        sys.stdout.write(json.dumps(values) + "\n")
    else:
        out.print("node: " + ("running" if found.is_running else "not running"))
        for name, state in found.processes.items():
            out.print(f"{name}: {state}", highlight=False)
        answered = ", ".join(found.workers) or "none"
        out.print(f"workers that answered: {answered}", highlight=False)
    raise typer.Exit(0 if found.is_ready else 1)


def _sentence(code: str) -> str:
    from pipelines.contract.reasons import EXPLANATION, Reason

    try:
        return f"{code}: {EXPLANATION[Reason(code)]}"
    except ValueError:
        return code


@app.command()
def redeliver(
    config: ConfigOption = None,
    to: Annotated[
        str | None, typer.Option("--to", help="Name of one destination.", show_default="all")
    ] = None,
) -> None:
    """Send undelivered results again, after their cause is removed.

    These are results that a destination refused, that were given up, or whose destination was
    removed from the settings before. osteonode status prints the reasons.
    """
    from node.ledger.ledger import Ledger

    settings = _settings(config)
    names = [destination.name for destination in settings.destinations]
    if to is not None and to not in names:
        raise ConfigError(f"no destination {to}", ", ".join(names) or "destinations", "")
    count = Ledger.open(settings.ledger_url).outbox.redeliver(names if to is None else [to])
    out.print(f"{count} results will be sent again", highlight=False)


@app.command()
def process(
    folder: Annotated[
        Path, typer.Argument(help="Folder of DICOM files, searched with its subfolders.")
    ],
    out_folder: Annotated[Path, typer.Option("--out", help="Folder for SEG, SR and result.json.")],
    density_table: Annotated[
        Path | None, typer.Option(help="Density table that `osteonode calibrate` wrote.")
    ] = None,
) -> None:
    """Measure a folder without a network: write the SEG and SR files and result.json.

    Exit code 0 also when no result can be reported; result.json then holds the reason.
    """
    from node.tools.process_folder import process_folder

    _log("process")
    raise typer.Exit(process_folder(folder, out_folder, console=out, density_table=density_table))


@config_app.command("check")
def config_check(
    file: Annotated[Path | None, typer.Argument(help="Settings file.", show_default=False)] = None,
    peers: Annotated[bool, typer.Option("--peers", help="C-ECHO every destination.")] = False,
) -> None:
    """Print every mistake in the settings, one line each; exit code 2 if there is one."""
    from node.tools.config_check import findings

    settings = _settings(file)
    found = findings(settings, with_peers=peers)
    for one in found:
        style = "red" if one.is_mistake else "yellow"
        out.print(Text("mistake: " if one.is_mistake else "note: ", style=style) + Text(one.text))
    if any(one.is_mistake for one in found):
        raise typer.Exit(2)
    out.print(f"[green]ok[/] {settings.node.ae_title} on port {settings.node.port}")


@config_app.command("show")
def config_show(config: ConfigOption = None) -> None:
    """Print the current settings as JSON, without passwords."""
    from node.tools.config_check import without_passwords

    sys.stdout.write(without_passwords(_settings(config)) + "\n")


StandardOption = Annotated[
    Standard, typer.Option("--standard", help="Reference material of the densities.")
]
SourceOption = Annotated[
    str,
    typer.Option(
        "--source", help="Description of the phantom (with serial number) or of the comparison."
    ),
]


@calibrate_app.command("phantom")
def calibrate_phantom(
    folder: Annotated[
        Path, typer.Argument(help="Folder of DICOM files with a scan of the phantom.")
    ],
    rod: Annotated[
        list[str],
        typer.Option(
            "--rod",
            help="DENSITY@COLUMN,ROW: density in mg/cm3, and the pixel at the centre of the rod in "
            "the middle slice (from 0). Give three or more.",
        ),
    ],
    standard: StandardOption,
    source: SourceOption,
    config: ConfigOption = None,
) -> None:
    """Fit a calibration to the rods of a phantom scan; the header names the scanner."""
    from node.tools.calibrate import calibrate_from_phantom, show_entries

    table = _settings(config).density_table_file
    entry = calibrate_from_phantom(folder, rod, table, standard=standard, source=source)
    show_entries([entry], out)


@calibrate_app.command("pairs")
def calibrate_pairs(
    file: Annotated[Path, typer.Argument(help="CSV with the columns hu and density_mg_cm3.")],
    manufacturer: Annotated[str, typer.Option(help="As in the header of the scans.")],
    model_name: Annotated[str, typer.Option("--model", help="As in the header of the scans.")],
    kvp: Annotated[float, typer.Option(help="Tube voltage of the scans, kV.")],
    standard: StandardOption,
    source: SourceOption,
    kernel: Annotated[str, typer.Option(help="Convolution kernel of the scans.")] = "STANDARD",
    config: ConfigOption = None,
) -> None:
    """Fit a calibration to pairs of trabecular HU and density, such as patients with QCT."""
    from node.tools.calibrate import Scanner, calibrate_from_pairs, show_entries

    scanner = Scanner(
        manufacturer=manufacturer, model_name=model_name, kvp=kvp, convolution_kernel=kernel
    )
    table = _settings(config).density_table_file
    entry = calibrate_from_pairs(file, scanner, table, standard=standard, source=source)
    show_entries([entry], out)


@calibrate_app.command("list")
def calibrate_list(config: ConfigOption = None) -> None:
    """List the calibrations of this site."""
    from node.jobs.site_table import site_table
    from node.tools.calibrate import show_entries

    table = site_table(_settings(config).density_table_file)
    show_entries(() if table is None else table.calibrations, out)


@models_app.command("list")
def models_list() -> None:
    """List the networks: version, task, digest, licence."""
    from models.cards import model_cards
    from pipelines.contract.generation import model_set_version

    table = Table("name", "version", "task", "SHA-256", "licence", box=None)
    for card in model_cards():
        table.add_row(card.name, card.version, card.task, card.sha256[:16], card.licence)
    out.print(table)
    out.print(f"model set {model_set_version()}", highlight=False)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Progress on standard error, so that output can be piped."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True) as progress:
        yield progress
