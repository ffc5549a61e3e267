"""Command that generates a dataset of many examinations or crops."""

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
    out: Annotated[Path, typer.Option(help="Folder for the items and manifest.json.")],
    subjects: Annotated[int, typer.Option(help="Patients.")],
    what: Annotated[str, typer.Option(help=", ".join(KINDS))] = "vertebrae",
    jobs: Annotated[int, typer.Option(help="Processes; the output is the same for any.")] = 1,
    seed: Annotated[
        int, typer.Option(help="Datasets with different seeds have no common patient.")
    ] = 1,
    study: Annotated[str, typer.Option(help=", ".join(STUDIES))] = "lumbar",
    scenario: Annotated[str, typer.Option(help=", ".join(SCENARIOS))] = PAPER_LIKE.name,
    protocol: Annotated[
        str, typer.Option(help="Default: by the kind of item. " + ", ".join(PROTOCOLS))
    ] = "",
    thickness_mm: Annotated[
        float | None, typer.Option(help="Slice thickness of the crops.")
    ] = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Use the scanners of test sets.")
    ] = False,
    healthy: Annotated[bool, typer.Option("--healthy", help="Paint no findings.")] = False,
    data: Annotated[
        Path | None, typer.Option(help="Folder with icrp110; its phantoms are the soft body.")
    ] = None,
    dxa: Annotated[bool, typer.Option("--dxa", help="Simulate DXA as well.")] = False,
) -> None:
    """Generate many examinations or crops in parallel; run again to resume."""
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
    console.print(f"{made} made, {subjects - made} already existed: {out}")
