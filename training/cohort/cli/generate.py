"""Command that makes a dataset."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.cohort.people.studies import PAPER_LIKE, SCENARIOS, STUDIES
from training.cohort.scan.protocols import PROTOCOLS
from training.cohort.write.dataset import KINDS, DatasetPlan
from training.cohort.write.generate import generate

console = Console(stderr=True)


def generate_dataset(
    out: Annotated[Path, typer.Option(help="Gets the items and manifest.json.")],
    subjects: Annotated[int, typer.Option(help="Patients.")],
    what: Annotated[str, typer.Option(help=", ".join(KINDS))] = "vertebrae",
    jobs: Annotated[int, typer.Option(help="Processes; the bytes do not depend on it.")] = 1,
    seed: Annotated[int, typer.Option(help="Sets with other seeds share nobody.")] = 1,
    study: Annotated[str, typer.Option(help=", ".join(STUDIES))] = "lumbar",
    scenario: Annotated[str, typer.Option(help=", ".join(SCENARIOS))] = PAPER_LIKE.name,
    protocol: Annotated[
        str, typer.Option(help="Default: what suits. " + ", ".join(PROTOCOLS))
    ] = "",
    thickness_mm: Annotated[float | None, typer.Option(help="Slices of the crops.")] = None,
    held_out: Annotated[bool, typer.Option("--held-out", help="Scanners of test sets.")] = False,
    healthy: Annotated[bool, typer.Option("--healthy", help="Paint no findings.")] = False,
    data: Annotated[
        Path | None, typer.Option(help="Folder with icrp110: soft body of its phantoms.")
    ] = None,
    dxa: Annotated[bool, typer.Option("--dxa", help="Simulate densitometry too.")] = False,
) -> None:
    """Make many examinations or crops, side by side; the same command again resumes."""
    plan = DatasetPlan(
        what=what,
        subjects=subjects,
        seed=seed,
        study=study,
        scenario=scenario,
        protocol=protocol,
        held_out=held_out,
        findings=not healthy,
        dxa=dxa,
        slice_thickness_mm=thickness_mm,
        data=data,
    )
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        bar = progress.add_task(what, total=subjects)
        made = generate(plan, out, jobs=jobs, on_item=lambda _: progress.advance(bar))
    console.print(f"{made} made, {subjects - made} were there: {out}")
