"""Command line of the virtual cohort: simulate an examination, or write a NIfTI as DICOM."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import nibabel
import numpy as np
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
from training.cohort.scanner import KERNELS, Scanner
from training.cohort.simulate import REGIONS, Examination, ExaminationPlan, simulate
from training.cohort.subject import draw_subject
from training.cohort.truth import label_affine_ras, write_truth

STEPS = 6
PRESETS: Final[dict[str, dict[str, float]]] = {
    "demo": {"size": 512, "spacing_mm": 2.5},
    "benchmark": {"size": 512, "spacing_mm": 1.25, "slices": 250},
    "quick": {"size": 256, "spacing_mm": 4.0},
}
"""Matrix and slices; every number can be overridden."""

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
console = Console(stderr=True)


@app.callback()
def cohort() -> None:
    """Virtual cohort: CT examinations in DICOM, simulated or converted."""


@app.command("simulate")
def simulate_examination(
    out: Annotated[Path, typer.Option(help="Folder for the DICOM files; truth goes beside it.")],
    seed: Annotated[int, typer.Option(help="Draws patient and noise.")] = 1,
    region: Annotated[str, typer.Option(help=", ".join(REGIONS))] = "abdomen",
    preset: Annotated[str, typer.Option(help=", ".join(PRESETS))] = "demo",
    size: Annotated[int | None, typer.Option(help="Rows and columns.")] = None,
    slices: Annotated[int | None, typer.Option(help="From the upper end of the region.")] = None,
    spacing_mm: Annotated[float | None, typer.Option(help="Between slices.")] = None,
    thickness_mm: Annotated[float | None, typer.Option(help="Default: the spacing.")] = None,
    fov_mm: Annotated[float, typer.Option(help="Field of view.")] = 410.0,
    kvp: Annotated[int, typer.Option(help="80, 100, 120 or 140.")] = 120,
    kernel: Annotated[str, typer.Option(help=", ".join(KERNELS))] = "STANDARD",
    mas: Annotated[int, typer.Option(help="Tube current x time.")] = 200,
    phase: Annotated[str, typer.Option(help="none, arterial or portal.")] = "none",
    sex: Annotated[str, typer.Option(help="M or F; drawn when empty.")] = "",
    age: Annotated[int | None, typer.Option(help="Years; drawn when not given.")] = None,
    position: Annotated[str, typer.Option(help="HFS, HFP, FFS or FFP.")] = "HFS",
    syntax: Annotated[str, typer.Option(help=", ".join(TRANSFER_SYNTAXES))] = "explicit",
    reverse: Annotated[bool, typer.Option(help="Number the instances backwards.")] = False,
    truth: Annotated[Path | None, typer.Option(help="Default: truth.json beside OUT.")] = None,
    labels: Annotated[Path | None, typer.Option(help="NIfTI file for the label map.")] = None,
) -> None:
    """Simulate a CT examination of a virtual patient whose bone density is known."""
    if preset not in PRESETS:
        raise BadCohortConfig(f"preset = {preset!r}", "one of " + ", ".join(PRESETS))
    standard = PRESETS[preset]
    spacing = spacing_mm or float(standard["spacing_mm"])
    plan = ExaminationPlan(
        subject=draw_subject(seed, sex=sex or None, age_years=age),
        scanner=Scanner(
            kvp=kvp, kernel=kernel, mas=mas, slice_thickness_mm=thickness_mm or spacing
        ),
        phase=phase,
        region=region,
        size=size or int(standard["size"]),
        field_of_view_mm=fov_mm,
        slice_spacing_mm=spacing,
        slices=slices or (int(standard["slices"]) if "slices" in standard else None),
    )
    chosen_syntax = transfer_syntax_named(syntax)
    with Progress(console=console, transient=True) as progress:
        examination = _simulated(plan, progress)
        image = laid(examination.image, position)
        bar = progress.add_task("writing DICOM", total=len(image.hu))
        files = write_series(
            image,
            replace(examination.header, patient_position=position),
            out,
            transfer_syntax=chosen_syntax,
            reversed_numbers=reverse,
            on_written=lambda: progress.advance(bar),
        )
    truth_file = truth or out.absolute().parent / "truth.json"
    write_truth(examination.truth, truth_file)
    if labels:
        _write_labels(examination, labels)
    console.print(f"{len(files)} instances in {out}, truth in {truth_file}")


def _simulated(plan: ExaminationPlan, progress: Progress) -> Examination:
    bar = progress.add_task("patient", total=STEPS)

    def next_step(name: str) -> None:
        progress.update(bar, description=name, advance=1)

    return simulate(plan, on_step=next_step)


def _write_labels(examination: Examination, file: Path) -> None:
    array = np.transpose(examination.labels, (2, 1, 0))
    nibabel.save(nibabel.Nifti1Image(array, label_affine_ras(examination.image)), file)


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
