"""Measure finding, naming and outlining of bones with the shipped networks: every figure there is.

    python -m training.evaluate --data ../shared/data [--json] [--pictures DIR]
    python -m training.evaluate --parts real speed        (about five minutes)

Rows: on, what, value, goal, n. ``--json`` prints them as one JSON list; ``--pictures`` writes an
overlay of every real CT, to be looked at. The parts:

real
    Public CTs that no training saw (`training.evaluate.real_cts`).
changed
    Names in some of these after changes of patient, scanner and view
    (`training.evaluate.perturbed`).
outlines
    Femora and vertebrae of virtual patients of another kind than those of training
    (`training.evaluate.outlines`), and the slices of study 4 (`training.study4.evaluate`).
names
    Whole virtual examinations and the views that a PACS sends (`training.evaluate.names`).
speed
    An abdomen of 512x512x250 voxels from its files to SEG and SR (``benchmarks.examination``, in a
    checkout only), on CUDA where there is one.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

from rich.console import Console
from rich.table import Table

from models.inference import default_device
from training.evaluate.names import name_rows
from training.evaluate.outlines import virtual_rows
from training.evaluate.perturbed import COUNTED_LPS_MM, perturbed_rows
from training.evaluate.pictures import overlay
from training.evaluate.real_cts import Case, cases, evaluate, read_named
from training.loop.measured import Row
from training.study4.evaluate import outline_rows

PATIENTS: Final = 24
"""Whose femur and vertebra are outlined, and whose slices of study 4."""
SUBJECTS: Final = 17
FIRST_SUBJECT: Final = 96_000
"""Names: the seeds of docs/results."""
SPEED: Final = ("-m", "benchmarks.examination", "--runs", "3", "--json")
"""The first run on a machine converts networks for OpenVINO; the median leaves it out."""
MIB_PER_GIB: Final = 1024


class Part(Protocol):
    """One part of the evaluation."""

    def __call__(self, data: Path, pictures: Path | None) -> Iterable[Row]:
        """Measure it."""


def real_part(data: Path, pictures: Path | None) -> Iterator[Row]:
    """Real CTs, one after the other."""
    for case in cases(data):
        yield from evaluate(case, data)
        _tell(case)
        if pictures is not None:
            overlay(case.name, case.ct, case.found, case.bodies, pictures)


def _tell(case: Case) -> None:
    names = " ".join(v.level.name for v in case.found.vertebrae)
    sure = "presumed" if case.found.presumed else "certain"
    more = f", {len(case.found.unnamed)} without a name" if case.found.unnamed else ""
    doubt = f"{sure}, {case.found.confidence:.2f}{more}"
    print(f"{case.name}: {names or 'no name'} ({doubt})", file=sys.stderr)


def changed_part(data: Path, pictures: Path | None) -> Iterator[Row]:
    """The same patients as others might have been scanned."""
    yield from perturbed_rows((name, read_named(data, name)) for name in COUNTED_LPS_MM)


def outlines_part(data: Path, pictures: Path | None) -> Iterator[Row]:
    """Virtual patients of a family of skeletons, in a scanner and under kernels of their own."""
    yield from virtual_rows(PATIENTS)
    yield from outline_rows(PATIENTS)


def names_part(data: Path, pictures: Path | None) -> list[Row]:
    """Names in virtual examinations."""
    return name_rows(range(FIRST_SUBJECT, FIRST_SUBJECT + SUBJECTS))


def speed_part(data: Path, pictures: Path | None) -> Iterator[Row]:
    """Seconds and memory of one examination with all pipelines of the abdomen."""
    found = subprocess.run([sys.executable, *SPEED], check=True, capture_output=True, text=True)
    measured = json.loads(found.stdout.splitlines()[-1])
    on, goal = (
        ("one GPU", "2") if default_device() == "cuda" else (f"{measured['cpus']} cores", "40")
    )
    what = "512x512x250 at 1.25 mm, files to SEG and SR"
    yield Row(on=on, what=f"{what}: seconds", value=measured["seconds_total"], goal=goal, n=1)
    gib = round(measured["peak_rss_mb"] / MIB_PER_GIB, 2)
    yield Row(on=on, what=f"{what}: memory, GiB", value=gib, goal="6", n=1)


PARTS: Final[Mapping[str, Part]] = MappingProxyType(
    {
        "real": real_part,
        "changed": changed_part,
        "outlines": outlines_part,
        "names": names_part,
        "speed": speed_part,
    }
)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--pictures", type=Path)
    arguments = parser.parse_args()
    rows = [
        row for part in arguments.parts for row in PARTS[part](arguments.data, arguments.pictures)
    ]
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return
    table = Table("on", "what", "value", "goal", "n")
    for row in rows:
        table.add_row(row.on, row.what, f"{row.value:g}", row.goal, str(row.n))
    Console().print(table)


if __name__ == "__main__":
    main()
