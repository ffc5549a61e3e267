"""Scan the central slices of L1 and L2 of the cohort: what the networks of study 4 learn from.

    python -m training.study4.examples --out runs/study4/examples --jobs 2

Writes one folder per subject: ``L1.npy`` and ``L2.npy`` (192, 192) int16 HU, the part of the
512 x 512 slice around the spine at the scan's own pixels; ``L1.core.npy`` and ``L2.core.npy``
(packed bits), the area within the inner border of the cortex; and ``subject.json``, which comes
last: a subject with it is done and is not scanned again.
"""

import argparse
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipelines.contract.anatomy import Level
from training.cohort.body.plan import plan_body
from training.cohort.scan.crops import simulate_crop, vertebra_grid
from training.loop.parallel import for_each
from training.study4.plan import SIZES, SLICE_MM, ChestCohort, Part, plan_cohort, qct_class

SUBJECT_FILE: Final = "subject.json"
LEVELS: Final = (Level.L1, Level.L2)
SIDE: Final = 192
"""Pixels of a stored slice, 124 to 161 mm: a multiple of 64, as the network needs."""
SHIFT_MM: Final = 8.0
"""The body lies off the middle of the stored slice by so much (standard deviation)."""
HEIGHT_SD_MM: Final = 1.0
"""The slice that is taken for the central one is off by so much (standard deviation)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChestSubject:
    """The two slices of one subject.

    Parameters
    ----------
    vbmd_mg_cm3
        Mean of L1 and L2, the reference of the study.
    status
        0 normal, 1 osteopenia, 2 osteoporosis.
    """

    folder: Path
    number: int
    part: Part
    vbmd_mg_cm3: float
    status: int
    age_years: int
    sex: str
    pixel_mm: float

    def hu(self, level: Level) -> NDArray[np.int16]:
        """(192, 192)."""
        return np.load(self.folder / f"{level.name}.npy")  # type: ignore[no-any-return]

    def core(self, level: Level) -> NDArray[np.bool_]:
        """(192, 192), pixels within the inner border of the cortex of the body."""
        packed = np.load(self.folder / f"{level.name}.core.npy")
        return np.unpackbits(packed, count=SIDE * SIDE).astype(bool).reshape(SIDE, SIDE)


def make_subject(cohort: ChestCohort, out: Path, row: int) -> None:
    """Scan one subject, unless that is done."""
    folder = out / f"{row:05d}"
    if (folder / SUBJECT_FILE).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    subject, scanner = cohort.subject(row), cohort.scanner(row)
    pixel_mm = cohort.pixel_mm(row)
    body = plan_body(subject)
    rng = np.random.default_rng([cohort.seed, row, 2])
    for level in LEVELS:
        x, y, z = rng.normal(0, (SHIFT_MM, SHIFT_MM, HEIGHT_SD_MM))
        grid = vertebra_grid(
            body,
            level,
            shape=(1, SIDE, SIDE),
            spacing_mm=(pixel_mm, pixel_mm, SLICE_MM),
            shift_mm=(float(x), float(y), float(z)),
        )
        crop = simulate_crop(subject, grid, scanner)
        np.save(folder / f"{level.name}.npy", crop.image.hu[0])
        np.save(folder / f"{level.name}.core.npy", np.packbits(crop.core(level)[0]))
    vbmd = cohort.people.qct_vbmd_mg_cm3[row : row + 1]
    record: dict[str, Any] = {
        "simulated": True,
        "seed": subject.seed,
        "part": str(cohort.part[row]),
        "sex": subject.sex,
        "age_years": subject.age_years,
        "scanner": scanner.model.name,
        "kernel": scanner.kernel,
        "pixel_mm": pixel_mm,
        "vbmd_mg_cm3": round(float(vbmd[0]), 2),
        "status": int(qct_class(vbmd)[0]),
    }
    new = folder / f"{SUBJECT_FILE}.new"
    new.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    new.replace(folder / SUBJECT_FILE)


def make_subjects(cohort: ChestCohort, out: Path, *, jobs: int = 1) -> None:
    """Scan all subjects; a run that was stopped goes on."""
    rows = range(len(cohort.people))
    work = partial(make_subject, cohort, out)
    for_each(work, rows, "subjects", jobs=jobs)


def read_subjects(folder: Path, parts: Iterable[Part] = tuple(Part)) -> list[ChestSubject]:
    """All subjects of a folder that belong to some of the parts, in order."""
    wanted = set(parts)
    subjects = [_read(file) for file in sorted(folder.glob(f"*/{SUBJECT_FILE}"))]
    return [one for one in subjects if one.part in wanted]


def _read(file: Path) -> ChestSubject:
    record = json.loads(file.read_text(encoding="utf-8"))
    return ChestSubject(
        folder=file.parent,
        number=int(file.parent.name),
        part=Part(record["part"]),
        vbmd_mg_cm3=record["vbmd_mg_cm3"],
        status=record["status"],
        age_years=record["age_years"],
        sex=record["sex"],
        pixel_mm=record["pixel_mm"],
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--subjects", type=int, nargs=3, default=SIZES, metavar="N")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=4)
    args = parser.parse_args()
    make_subjects(plan_cohort(tuple(args.subjects), args.seed), args.out, jobs=args.jobs)


if __name__ == "__main__":
    main()
