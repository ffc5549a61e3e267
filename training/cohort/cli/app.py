"""Commands that simulate one examination, or write a NIfTI file as DICOM."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import nibabel
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from models.errors import OsteoNodeError
from training.cohort.body.upper_chest import ARMS
from training.cohort.cli.generate import generate_dataset
from training.cohort.cli.tables import dxa, table, validate
from training.cohort.dxa.report import dxa_truth
from training.cohort.errors import BadCohortConfig
from training.cohort.people.form import FAMILIES, draw_form
from training.cohort.people.studies import STUDIES
from training.cohort.people.subject import draw_subject
from training.cohort.scan.equipment import GENERIC, MODELS, find_model
from training.cohort.scan.header import SeriesHeader
from training.cohort.scan.image import CtImage, content_digest
from training.cohort.scan.orientation import gantry_tilted, laid
from training.cohort.scan.protocols import PROTOCOLS, draw_plan, usual_plan
from training.cohort.scan.simulate import REGIONS, Examination, ExaminationPlan, simulate
from training.cohort.scan.truth import label_affine_ras, write_truth
from training.cohort.write.dicom import TRANSFER_SYNTAXES, instance_names, write_series
from training.cohort.write.enhanced import write_enhanced
from training.cohort.write.localizer import write_localizer
from training.cohort.write.nifti import read_nifti

STEPS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Named matrix and slices; an option of the command overrides each number.

    Parameters
    ----------
    slices
        Number of slices; ``None``: as many as the region needs.
    """

    size: int
    spacing_mm: float
    slices: int | None = None


PRESETS: Final[dict[str, Preset]] = {
    "demo": Preset(size=512, spacing_mm=2.0, slices=245),
    "benchmark": Preset(size=512, spacing_mm=1.25, slices=250),
    "quick": Preset(size=256, spacing_mm=4.0),
}

Position = Annotated[str, typer.Option(help="HFS, HFP, FFS or FFP.")]
Syntax = Annotated[str, typer.Option(help=", ".join(TRANSFER_SYNTAXES))]
Reverse = Annotated[bool, typer.Option(help="Number the instances in reverse order.")]
Enhanced = Annotated[bool, typer.Option(help="Write one multi-frame object (enhanced.dcm).")]
Localizer = Annotated[bool, typer.Option(help="Add a localizer (localizer.dcm) as series 1.")]
Tilt = Annotated[float, typer.Option(help="Gantry tilt in degrees; resamples the stack.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How the command orients and stores a series.

    Parameters
    ----------
    position
        Patient Position.
    syntax
        A name of ``TRANSFER_SYNTAXES``.
    """

    position: str
    syntax: str
    reverse: bool
    enhanced: bool
    localizer: bool
    tilt_deg: float = 0.0

    def __post_init__(self) -> None:
        if self.syntax not in TRANSFER_SYNTAXES:
            raise BadCohortConfig(
                f"syntax = {self.syntax!r}", "one of " + ", ".join(TRANSFER_SYNTAXES)
            )
        if abs(self.tilt_deg) > 30:
            raise BadCohortConfig(f"tilt_deg = {self.tilt_deg:g}", "-30 to 30 degrees")


app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
app.command("table")(table)
app.command("dxa")(dxa)
app.command("validate")(validate)
app.command("generate")(generate_dataset)
console = Console(stderr=True)


@app.callback()
def cohort() -> None:
    """Virtual cohort: CT examinations in DICOM, simulated or converted."""


@app.command("simulate")
def simulate_examination(
    out: Annotated[Path, typer.Option(help="Folder for dicom/ and truth.json.")],
    seed: Annotated[int, typer.Option(help="Seed of patient and noise.")] = 1,
    protocol: Annotated[str, typer.Option(help=", ".join(PROTOCOLS))] = "abdomen",
    draw: Annotated[
        bool, typer.Option(help="Draw the scan from the ranges of the protocol.")
    ] = False,
    scanner: Annotated[str, typer.Option(help=", ".join(MODELS))] = GENERIC.name,
    region: Annotated[str | None, typer.Option(help=", ".join(REGIONS))] = None,
    preset: Annotated[str, typer.Option(help=", ".join(PRESETS))] = "",
    size: Annotated[int | None, typer.Option(help="Rows and columns.")] = None,
    slices: Annotated[
        int | None, typer.Option(help="Number of slices from the upper end of the region.")
    ] = None,
    spacing_mm: Annotated[float | None, typer.Option(help="Distance between slices.")] = None,
    thickness_mm: Annotated[
        float | None, typer.Option(help="Slice thickness; default: the spacing.")
    ] = None,
    fov_mm: Annotated[float | None, typer.Option(help="Field of view.")] = None,
    kvp: Annotated[int | None, typer.Option(help="80, 100, 120 or 140.")] = None,
    kernel: Annotated[str | None, typer.Option(help="Name or family of a kernel.")] = None,
    mas: Annotated[int | None, typer.Option(help="Tube current x time.")] = None,
    phase: Annotated[str | None, typer.Option(help="none, arterial, portal or delayed.")] = None,
    study: Annotated[str, typer.Option(help=", ".join(STUDIES))] = "lumbar",
    sex: Annotated[str, typer.Option(help="M or F; drawn if empty.")] = "",
    age: Annotated[int | None, typer.Option(help="Age in years; drawn if not set.")] = None,
    findings: Annotated[
        bool, typer.Option(help="Draw degeneration, fractures, lesions, implants, variants.")
    ] = False,
    family: Annotated[
        str, typer.Option(help=", ".join(FAMILIES) + "; empty: the default form.")
    ] = "",
    arms: Annotated[str | None, typer.Option(help=", ".join(ARMS))] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder with icrp110; its phantoms are the soft body.")
    ] = None,
    position: Position = "HFS",
    syntax: Syntax = "explicit",
    reverse: Reverse = False,
    enhanced: Enhanced = False,
    localizer: Localizer = False,
    tilt_deg: Tilt = 0.0,
    occasion: Annotated[
        str, typer.Option(help="Any text; each text sets other UIDs for the same pixels.")
    ] = "",
    labels: Annotated[bool, typer.Option(help="Write labels.nii.gz and parts.nii.gz.")] = False,
    threads: Annotated[
        int, typer.Option(min=1, help="Number of threads; the output is the same for any.")
    ] = 2,
    with_dxa: Annotated[
        bool, typer.Option("--dxa", help="Add DXA of spine and hip to truth.json.")
    ] = False,
) -> None:
    """Simulate a CT examination of a virtual patient whose bone density is known."""
    subject = draw_subject(
        seed, sex=sex or None, age_years=age, study=study, with_findings=findings
    )
    if family:
        subject = replace(subject, form=draw_form(seed, family))
    model = find_model(scanner)
    plan = (
        draw_plan(protocol, subject, seed=seed, models=[model])
        if draw
        else usual_plan(protocol, subject, model)
    )
    matrix = _matrix(preset)
    spacing = matrix.get("slice_spacing_mm") if spacing_mm is None else spacing_mm
    thickness = spacing if thickness_mm is None else thickness_mm
    plan = replace(
        plan,
        scanner=replace(
            plan.scanner,
            **_given(kvp=kvp, kernel=kernel, mas=mas, slice_thickness_mm=thickness),
        ),
        **matrix
        | _given(
            phase=phase,
            region=region,
            size=size,
            field_of_view_mm=fov_mm,
            slice_spacing_mm=spacing_mm,
            slices=slices,
            arms=arms,
        ),
        occasion=occasion,
        data=data,
    )
    writing = Writing(
        position=position,
        syntax=syntax,
        reverse=reverse,
        enhanced=enhanced,
        localizer=localizer,
        tilt_deg=tilt_deg,
    )
    with Progress(console=console, transient=True) as progress:
        examination = _simulated(plan, progress, threads)
        _write(examination.image, examination.header, out / "dicom", writing, progress)
    measured = {"dxa": dxa_truth(plan.subject)} if with_dxa else {}
    write_truth({**examination.truth, **measured}, out / "truth.json")
    if labels:
        _write_labels(examination, examination.labels, out / "labels.nii.gz")
        _write_labels(examination, examination.parts, out / "parts.nii.gz")
    console.print(f"{len(examination.image.hu)} slices in {out / 'dicom'}, truth.json beside it")


@app.command("to-dicom")
def to_dicom(
    nifti: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CT in HU.")],
    out: Annotated[Path, typer.Option(help="Folder for the DICOM files.")],
    kvp: Annotated[float | None, typer.Option(help="Tube voltage; empty if unknown.")] = None,
    kernel: Annotated[str, typer.Option(help="Convolution kernel.")] = "",
    contrast: Annotated[str, typer.Option(help="Contrast agent; empty for none.")] = "",
    sex: Annotated[str, typer.Option(help="M, F, O or empty.")] = "",
    age: Annotated[int | None, typer.Option(help="Age in years.")] = None,
    patient: Annotated[str, typer.Option(help="Patient name.")] = "CONVERTED^NIFTI",
    position: Position = "HFS",
    syntax: Syntax = "explicit",
    reverse: Reverse = False,
    enhanced: Enhanced = False,
    localizer: Localizer = False,
) -> None:
    """Write a NIfTI volume as a CT series with the same values and patient coordinates."""
    image = read_nifti(nifti)
    header = SeriesHeader(
        key=f"nifti/{content_digest(image)}",
        patient_name=patient,
        patient_id=nifti.name.split(".")[0][:64],
        patient_sex=sex,
        patient_age_years=age,
        study_description="CT",
        series_description="Converted from NIfTI",
        image_comments="CONVERTED FROM NIFTI",
        kvp=kvp,
        convolution_kernel=kernel or None,
        contrast_agent=contrast or None,
    )
    writing = Writing(
        position=position, syntax=syntax, reverse=reverse, enhanced=enhanced, localizer=localizer
    )
    with Progress(console=console, transient=True) as progress:
        _write(image, header, out, writing, progress)
    console.print(f"{len(image.hu)} slices in {out}")


def _matrix(preset: str) -> dict[str, Any]:
    """Return the fields of the plan that a preset sets; empty without a preset."""
    if not preset:
        return {}
    if preset not in PRESETS:
        raise BadCohortConfig(f"preset = {preset!r}", "one of " + ", ".join(PRESETS))
    own = PRESETS[preset]
    return _given(size=own.size, slice_spacing_mm=own.spacing_mm, slices=own.slices)


def _given(**options: Any) -> dict[str, Any]:
    """Return the options that are not ``None``."""
    return {name: value for name, value in options.items() if value is not None}


def _simulated(plan: ExaminationPlan, progress: Progress, threads: int) -> Examination:
    bar = progress.add_task("patient", total=STEPS)

    def next_step(name: str) -> None:
        progress.update(bar, description=name, advance=1)

    return simulate(plan, on_step=next_step, threads=threads)


def _write(
    image: CtImage, header: SeriesHeader, out: Path, writing: Writing, progress: Progress
) -> None:
    """Orient the stack, number the slices and store them."""
    bar = progress.add_task("writing DICOM", total=len(image.hu))
    syntax = TRANSFER_SYNTAXES[writing.syntax]
    if writing.tilt_deg:
        image = gantry_tilted(image, writing.tilt_deg)
        header = replace(header, gantry_tilt_deg=writing.tilt_deg)
    image = laid(image, writing.position)
    header = replace(header, patient_position=writing.position)
    _refuse_other_files(out, writing, len(image.hu))
    if writing.localizer:
        write_localizer(image, header, out / "localizer.dcm")
    if writing.enhanced:
        write_enhanced(image, header, out / "enhanced.dcm", transfer_syntax=syntax)
        return
    write_series(
        image,
        header,
        out,
        transfer_syntax=syntax,
        reversed_numbers=writing.reverse,
        on_written=lambda: progress.advance(bar),
    )


def _refuse_other_files(out: Path, writing: Writing, slices: int) -> None:
    """Refuse a folder with other DICOM files, such as those of a longer series."""
    written = {"enhanced.dcm"} if writing.enhanced else set(instance_names(slices))
    if writing.localizer:
        written.add("localizer.dcm")
    others = sorted(file.name for file in out.glob("*.dcm") if file.name not in written)
    if others:
        raise BadCohortConfig(
            f"out = {out} holds {len(others)} other DICOM files, such as {others[0]}",
            "a new or empty folder",
        )


def _write_labels(examination: Examination, values: NDArray[np.uint8], file: Path) -> None:
    array = np.transpose(values, (2, 1, 0))
    nibabel.save(nibabel.Nifti1Image(array, label_affine_ras(examination.image)), file)


def main() -> None:
    """Run the command line; print an expected error as one line and exit with code 2."""
    try:
        app()
    except OsteoNodeError as error:
        console.print(f"[red]error:[/red] {error}", soft_wrap=True)
        raise SystemExit(2) from error
