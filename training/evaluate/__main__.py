"""Measure how well the shipped networks find, name and outline bones; run all parts or some.

    python -m training.evaluate --data ../shared/data [--json] [--pictures DIR]
    python -m training.evaluate --parts real speed        (about five minutes)

Rows: on, what, value, goal, n. ``--json`` prints them as one JSON list; ``--pictures`` writes
an overlay of every real CT for visual checks. The parts:

real
    Public CTs that no training used (`training.evaluate.real_cts`).
changed
    Level names in some of these after simulated changes of patient, scanner and field of view
    (`training.evaluate.perturbed`).
outlines
    Femora and vertebrae of virtual patients that differ from those of training
    (`training.evaluate.outlines`), and the slices of study 4 (`training.study4.evaluate`).
names
    Level names in whole virtual examinations and in the parts of the body that a PACS sends
    (`training.evaluate.names`).
speed
    An abdomen of 512x512x250 voxels from its files to SEG and SR (``benchmarks.examination``, in a
    checkout only), on CUDA if available.
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
"""Number of virtual patients for femora and vertebrae, and for the slices of study 4."""
SUBJECTS: Final = 17
FIRST_SUBJECT: Final = 96_000
"""Seeds of the names part, as in docs/results."""
SPEED: Final = ("-m", "benchmarks.examination", "--runs", "3", "--json")
"""Runs of the speed part; the first converts networks for OpenVINO, the median ignores it."""
MIB_PER_GIB: Final = 1024


class Part(Protocol):
    """One part of the evaluation."""

    def __call__(self, data: Path, pictures: Path | None) -> Iterable[Row]:
        """Yield the rows of this part."""


def real_part(data: Path, pictures: Path | None) -> Iterator[Row]:
    """Measure the real CTs one after the other."""
    for case in cases(data):
        yield from evaluate(case, data)
        _print_names(case)
        if pictures is not None:
            overlay(case.name, case.ct, case.found, case.bodies, pictures)


def _print_names(case: Case) -> None:
    names = " ".join(v.level.name for v in case.found.vertebrae)
    sure = "presumed" if case.found.presumed else "certain"
    more = f", {len(case.found.unnamed)} without a name" if case.found.unnamed else ""
    doubt = f"{sure}, {case.found.confidence:.2f}{more}"
    print(f"{case.name}: {names or 'no name'} ({doubt})", file=sys.stderr)


def changed_part(data: Path, pictures: Path | None) -> Iterator[Row]:
    """Measure names in the real CTs after simulated changes."""
    yield from perturbed_rows((name, read_named(data, name)) for name in COUNTED_LPS_MM)


def outlines_part(data: Path, pictures: Path | None) -> Iterator[Row]:
    """Measure outlines in virtual patients of the held-out family, scanner and kernels."""
    yield from virtual_rows(PATIENTS)
    yield from outline_rows(PATIENTS)


def names_part(data: Path, pictures: Path | None) -> list[Row]:
    """Measure names in virtual examinations."""
    return name_rows(range(FIRST_SUBJECT, FIRST_SUBJECT + SUBJECTS))


def speed_part(data: Path, pictures: Path | None) -> Iterator[Row]:
    """Measure seconds and memory of one examination with all pipelines of the abdomen."""
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
    """Run the chosen parts and print their rows."""
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
