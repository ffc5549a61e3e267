"""Make the examples of study 4: scan the central slices of L1 and L2 of the cohort.

    python -m training.study4.examples --out runs/study4/examples --jobs 2

Writes one folder per subject: ``L1.npy`` and ``L2.npy`` (192, 192) int16 HU, the part of the
512 x 512 slice around the spine at the scan's pixel size; ``L1.core.npy`` and ``L2.core.npy``
(packed bits), the area within the inner border of the cortex; and ``subject.json``, which is written
last. A subject with that file is complete and is skipped later.
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
"""Side of a stored slice in pixels, 124 to 161 mm; the network needs a multiple of 64."""
SHIFT_MM: Final = 8.0
"""Standard deviation of the distance of the body from the middle of the stored slice."""
HEIGHT_SD_MM: Final = 1.0
"""Standard deviation of the distance of the selected slice from the central one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChestSubject:
    """The two slices of one subject.

    Parameters
    ----------
    vbmd_mg_cm3
        Mean trabecular density of L1 and L2, the reference of the study.
    status
        0 normal, 1 osteopenia, 2 osteoporosis.
    simulated
        Whether a virtual subject was scanned; a folder that does not state it holds real CTs.
    """

    folder: Path
    number: int
    part: Part
    vbmd_mg_cm3: float
    status: int
    age_years: int
    sex: str
    pixel_mm: float
    simulated: bool

    def hu(self, level: Level) -> NDArray[np.int16]:
        """HU of the slice of one level, (192, 192)."""
        return np.load(self.folder / f"{level.name}.npy")  # type: ignore[no-any-return]

    def core(self, level: Level) -> NDArray[np.bool_]:
        """Mask of the area within the inner border of the cortex of the body, (192, 192)."""
        packed = np.load(self.folder / f"{level.name}.core.npy")
        return np.unpackbits(packed, count=SIDE * SIDE).astype(bool).reshape(SIDE, SIDE)


def make_subject(cohort: ChestCohort, out: Path, row: int) -> None:
    """Scan one subject, unless the files exist."""
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
    """Scan all subjects; a repeated call continues an interrupted one."""
    rows = range(len(cohort.people))
    work = partial(make_subject, cohort, out)
    for_each(work, rows, "subjects", jobs=jobs)


def read_subjects(folder: Path, parts: Iterable[Part] = tuple(Part)) -> list[ChestSubject]:
    """Read all subjects of a folder that belong to the given parts, in order."""
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
        simulated=record.get("simulated", False),
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
