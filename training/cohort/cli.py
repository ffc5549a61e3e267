"""Command line of the virtual cohort: simulate an examination, or write a NIfTI as DICOM."""

from pathlib import Path
from typing import Annotated

import typer
from pydicom.uid import UID
from rich.console import Console
from rich.progress import Progress

from models.errors import OsteoNodeError
from training.cohort.dicom import TRANSFER_SYNTAXES, write_series
from training.cohort.errors import BadCohortConfig
from training.cohort.header import SeriesHeader
from training.cohort.image import content_digest
from training.cohort.nifti import read_nifti
from training.cohort.orientation import laid

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
console = Console(stderr=True)


@app.callback()
def cohort() -> None:
    """Virtual cohort: CT examinations in DICOM, simulated or converted."""


@app.command("to-dicom")
def to_dicom(
    nifti: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CT in HU.")],
    out: Annotated[Path, typer.Option(help="Folder for the DICOM files.")],
    kvp: Annotated[
        float | None, typer.Option(help="Tube voltage; left empty when unknown.")
    ] = None,
    kernel: Annotated[str, typer.Option(help="Convolution kernel.")] = "",
    contrast: Annotated[str, typer.Option(help="Contrast agent; empty for none.")] = "",
    sex: Annotated[str, typer.Option(help="M, F, O or empty.")] = "",
    age: Annotated[int | None, typer.Option(help="Age in years.")] = None,
    position: Annotated[str, typer.Option(help="HFS, HFP, FFS or FFP.")] = "HFS",
    patient: Annotated[str, typer.Option(help="Patient name.")] = "CONVERTED^NIFTI",
    syntax: Annotated[str, typer.Option(help=", ".join(TRANSFER_SYNTAXES))] = "explicit",
    reverse: Annotated[bool, typer.Option(help="Number the instances backwards.")] = False,
) -> None:
    """Write a NIfTI volume as a CT series; values and patient coordinates stay as they are."""
    image = laid(read_nifti(nifti), position)
    header = SeriesHeader(
        key=f"nifti/{content_digest(image)}",
        patient_name=patient,
        patient_id=nifti.name.split(".")[0][:64],
        patient_sex=sex,
        patient_age_years=age,
        series_description="Converted from NIfTI",
        image_comments="CONVERTED FROM NIFTI",
        kvp=kvp,
        convolution_kernel=kernel or None,
        contrast_agent=contrast or None,
        patient_position=position,
    )
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("writing DICOM", total=len(image.hu))
        files = write_series(
            image,
            header,
            out,
            transfer_syntax=transfer_syntax_named(syntax),
            reversed_numbers=reverse,
            on_written=lambda: progress.advance(bar),
        )
    console.print(f"{len(files)} instances in {out}")


def transfer_syntax_named(name: str) -> UID:
    """Find a transfer syntax by its name on the command line."""
    if name not in TRANSFER_SYNTAXES:
        raise BadCohortConfig(f"syntax = {name!r}", "one of " + ", ".join(TRANSFER_SYNTAXES))
    return TRANSFER_SYNTAXES[name]


def main() -> None:
    """Run; an expected error is one line and exit code 2."""
    try:
        app()
    except OsteoNodeError as error:
        console.print(f"[red]error:[/red] {error}")
        raise SystemExit(2) from error
