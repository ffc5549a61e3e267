"""Commands that write numbers: tables of people, simulated DXA, the validation page."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from training.cohort.check.validation import write_validation
from training.cohort.dxa.hip import scan_hip
from training.cohort.dxa.report import dxa_block, fitted_scale, write_picture
from training.cohort.dxa.spine import scan_spine
from training.cohort.errors import BadCohortConfig
from training.cohort.people.population import draw_population, seeds_of
from training.cohort.people.studies import PAPER_LIKE, SCENARIOS, STUDIES, study_groups
from training.cohort.people.subject import draw_subject
from training.cohort.people.table import write_table

PAGE = Path("training/cohort/VALIDATION.md")
console = Console(stderr=True)
out = Console()

Study = Annotated[str, typer.Option(help=", ".join(STUDIES))]
Scenario = Annotated[str, typer.Option(help=", ".join(SCENARIOS))]


def table(
    out: Annotated[Path, typer.Option(help="Table to write: .csv or .json.")],
    study: Study = "chest",
    n: Annotated[int, typer.Option(min=1, max=1_000_000, help="People.")] = 1000,
    seed: Annotated[
        int, typer.Option(min=0, help="Tables with different seeds have no common patient.")
    ] = 1,
    scenario: Scenario = PAPER_LIKE.name,
) -> None:
    """Draw the virtual patients of a study as rows of numbers, thousands in a second.

    ``simulate`` with the seed of a row and the same study simulates a CT of that patient.
    """
    people = draw_population(seeds_of(seed, n), study_groups(study, scenario))
    write_table(people, out, study=study)
    console.print(f"{n} people in {out}")


def dxa(
    seed: Annotated[int, typer.Option(help="Patient.")] = 1,
    study: Study = "lumbar",
    sex: Annotated[str, typer.Option(help="M or F; drawn if empty.")] = "",
    age: Annotated[int | None, typer.Option(help="Age in years; drawn if not set.")] = None,
    findings: Annotated[
        bool, typer.Option(help="Draw degeneration, plaques and other findings.")
    ] = False,
    picture: Annotated[Path | None, typer.Option(help="PNG of both scans.")] = None,
    fit_scale: Annotated[
        int, typer.Option(help="Instead, fit the vendor's scale on this number of young women.")
    ] = 0,
) -> None:
    """Simulate DXA of lumbar spine and left hip; print JSON on standard output."""
    if fit_scale:
        factor, error = fitted_scale(fit_scale)
        out.print(f"multiply VENDOR_SCALE by {factor:.3f} (standard error {error:.3f})")
        return
    if picture is not None and picture.suffix != ".png":
        raise BadCohortConfig(f"picture = {picture.name}", "a name that ends in .png")
    subject = draw_subject(
        seed, sex=sex or None, age_years=age, study=study, with_findings=findings
    )
    with console.status("scanning"):
        spine, hip = scan_spine(subject), scan_hip(subject)
    out.print_json(json.dumps(dxa_block(spine, hip)))
    if picture is not None:
        write_picture([spine, hip], picture)


def validate(
    data: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="Folder with ct/ for the pictures.")
    ],
    out: Annotated[Path, typer.Option(help="Page to write.")] = PAGE,
    pictures: Annotated[Path, typer.Option(help="Folder for its pictures.")] = Path("docs"),
    per_decade: Annotated[int, typer.Option(min=2, help="DXA scans per decade and sex.")] = 5,
) -> None:
    """Compare the cohort with published values; write a page of tables. Takes minutes."""
    with console.status("computing") as status:
        off = write_validation(data, out, pictures, per_decade, status.update)
    console.print(f"{out}: {off} values outside their published range")
