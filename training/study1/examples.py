"""Make and read the examples of study 1: CT of single vertebrae with DXA, simulated here.

    python -m training.study1.examples --out runs/study1/examples --patients 460 --jobs 2

Writes one folder per patient: ``L1.npy`` to ``L4.npy`` (64, 128, 128) int16 HU, cropped as in
``pipelines.secondary.dxa_equivalent.network_input``; ``L1.core.npy`` (packed bits); and
``patient.json``, which is written last. A patient with that file is complete and is skipped later.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipelines.contract.anatomy import Level
from pipelines.secondary.dxa_equivalent.network_input import SHAPE, sample_box
from pipelines.space.coordinates import Geometry
from training.cohort.body.plan import plan_body
from training.cohort.dxa.spine import scan_spine
from training.cohort.people.densitometry import DXA_LEVELS, NHANES_III, t_score, who_class
from training.cohort.scan.crops import Crop, simulate_crop, vertebra_grid
from training.loop.parallel import for_each
from training.study1.plan import PATIENTS, LumbarCohort, plan_cohort

PATIENT_FILE: Final = "patient.json"
MARGIN_MM: Final = 8.0
"""Margin of the scanned crop, needed for the slice profile and the averaging to 5 mm."""
IN_PLANE_MM: Final = 0.4
CENTRE_JITTER_MM: Final = 1.5
"""Standard deviation of the error of the centroid, as a segmentation has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One vertebra.

    Parameters
    ----------
    abmd_g_cm2
        Areal density of this level by DXA.
    status
        Class of the patient (0 normal, 1 osteopenia, 2 osteoporosis), copied to the level.
    spine_t_score
        T-score of L1 to L4 together by DXA; it determines ``status``.
    simulated
        Whether a virtual patient was scanned; a folder that does not state it holds real CTs.
    core_hu
        Mean HU of the true trabecular core, the input of the baseline.
    """

    folder: Path
    level: Level
    patient: int
    is_test: bool
    abmd_g_cm2: float
    status: int
    spine_t_score: float
    core_hu: float
    vbmd_mg_cm3: float
    age_years: int
    sex: str
    bmi_kg_m2: float
    simulated: bool

    def hu(self) -> NDArray[np.int16]:
        """(64, 128, 128), memory-mapped."""
        return np.load(self.folder / f"{self.level.name}.npy", mmap_mode="r")  # type: ignore[no-any-return]

    def core(self) -> NDArray[np.bool_]:
        """(64, 128, 128), trabecular voxels."""
        packed = np.load(self.folder / f"{self.level.name}.core.npy")
        return np.unpackbits(packed, count=int(np.prod(SHAPE))).astype(bool).reshape(SHAPE)


def make_patient(cohort: LumbarCohort, out: Path, row: int) -> None:
    """Scan one patient, unless the files exist."""
    folder = out / f"{row:05d}"
    if (folder / PATIENT_FILE).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    subject, scanner = cohort.subject(row), cohort.scanner(row)
    body = plan_body(subject)
    dxa = scan_spine(cohort.labelled(row))
    rng = np.random.default_rng([cohort.seed, row, 2])
    levels: dict[str, dict[str, float]] = {}
    for level in DXA_LEVELS:
        grid = vertebra_grid(
            body,
            level,
            shape=_scan_shape(scanner.slice_thickness_mm),
            spacing_mm=(IN_PLANE_MM, IN_PLANE_MM, scanner.slice_thickness_mm),
        )
        crop = simulate_crop(subject, grid, scanner)
        core = crop.core(level)
        place = body.vertebra(level).centre_lps_mm + rng.normal(0, CENTRE_JITTER_MM, 3)
        centre = (float(place[0]), float(place[1]), float(place[2]))
        hu, inside = _as_input(crop, core, centre, scanner.slice_thickness_mm)
        np.save(folder / f"{level.name}.npy", hu)
        np.save(folder / f"{level.name}.core.npy", np.packbits(inside))
        levels[level.name] = {
            "abmd_g_cm2": dxa.levels[level].abmd_g_cm2,
            "core_hu": float(crop.image.hu[core].mean()),
            "vbmd_mg_cm3": subject.vbmd_mg_cm3[level],
        }
    spine = float(t_score(dxa.total.abmd_g_cm2, NHANES_III.spine))
    record: dict[str, Any] = {
        "simulated": True,
        "seed": subject.seed,
        "is_test": bool(cohort.is_test[row]),
        "sex": subject.sex,
        "age_years": subject.age_years,
        "bmi_kg_m2": subject.bmi_kg_m2,
        "family": cohort.family(row),
        "scanner": scanner.model.name,
        "kernel": scanner.kernel,
        "slice_thickness_mm": scanner.slice_thickness_mm,
        "spine_t_score": spine,
        "status": int(who_class(spine)),
        "levels": levels,
    }
    new = folder / f"{PATIENT_FILE}.new"
    new.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    new.replace(folder / PATIENT_FILE)


def _scan_shape(slice_mm: float) -> tuple[int, int, int]:
    deep = SHAPE[0] * 0.625 + 2 * MARGIN_MM
    wide = SHAPE[1] + int(2 * MARGIN_MM / IN_PLANE_MM)
    return int(np.ceil(deep / slice_mm)), wide, wide


def _as_input(
    crop: Crop, core: NDArray[np.bool_], centre: tuple[float, float, float], slice_mm: float
) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    image = crop.image
    shape = (image.hu.shape[0], image.hu.shape[1], image.hu.shape[2])
    geometry = Geometry(affine=image.affine_lps, shape=shape, frame_of_reference_uid=None)
    hu = sample_box(image.hu, geometry, centre, slice_mm=slice_mm)
    # 5 mm is the input's slice thickness, so nothing is averaged. Outside the mask the value is -1000.
    inside = sample_box(core.astype(np.float32), geometry, centre, slice_mm=5.0) > 0.5
    return np.rint(hu).astype(np.int16), inside


def make_examples(cohort: LumbarCohort, out: Path, *, jobs: int = 1) -> None:
    """Scan all patients, the test part last; a repeated call continues an interrupted one."""
    rows = np.argsort(cohort.is_test, kind="stable").tolist()
    work = partial(make_patient, cohort, out)
    for_each(work, rows, "patients", jobs=jobs)


def read_examples(folder: Path) -> list[Example]:
    """Read all vertebrae of a folder, in order of patient and level."""
    return [
        example
        for file in sorted(folder.glob(f"*/{PATIENT_FILE}"))
        for example in _of_patient(file)
    ]


def _of_patient(file: Path) -> Sequence[Example]:
    record = json.loads(file.read_text(encoding="utf-8"))
    return [
        Example(
            folder=file.parent,
            level=Level[name],
            patient=int(file.parent.name),
            is_test=record["is_test"],
            status=record["status"],
            spine_t_score=record["spine_t_score"],
            age_years=record["age_years"],
            sex=record["sex"],
            bmi_kg_m2=record["bmi_kg_m2"],
            simulated=record.get("simulated", False),
            **values,
        )
        for name, values in record["levels"].items()
    ]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--patients", type=int, default=PATIENTS)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    make_examples(plan_cohort(args.patients, args.seed), args.out, jobs=args.jobs)


if __name__ == "__main__":
    main()
