"""Scan the vertebrae of study 2 and extract their radiomic features from three outlines each.

    python -m training.study2.features --cohort study --work runs/study2

Writes one JSON file per woman; a woman with a file is skipped. The first outline is the true body with
its cortex, without arch and osteophytes. The other two simulate the outlines of two readers
(``training.selection.perturbation``).
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipelines.contract.anatomy import Level
from pipelines.contract.feature_engine import Engine, require_engine
from pipelines.contract.findings import Abstained
from pipelines.radiomics.extract import extract_features
from pipelines.radiomics.region import ScalarImage
from pipelines.radiomics.settings import DIAGNOSTICS, SettingsName, feature_settings
from pipelines.space.masks import largest_part
from training.cohort.body.plan import BodyPlan, plan_body
from training.cohort.scan.crops import Crop, simulate_crop, vertebra_grid
from training.loop.parallel import for_each
from training.selection.perturbation import repeated_masks
from training.statistics.errors import UnusableSample
from training.study2.plan import RECIPES, OvcfCohort, plan_ovcf

READERS: Final = 2
LEAN: Final = 0.35
"""Extra length of the box of a tilted body, as a share of its other side."""
MARGIN_MM: Final = 7.0
"""Margin around the box of a body, for the readers' outlines and the resampling."""
SETTINGS: Final[Mapping[str, tuple[SettingsName, ...]]] = {
    "study": ("study2_faithful", "study2_product"),
    "study_as_specified": ("study2_faithful", "study2_product"),
    "product": ("study2_product",),
    "held_out": ("study2_product",),
}
OF_THE_IMAGE: Final = DIAGNOSTICS[:3]
"""Mean and range of a whole CT, which a crop does not have. The fourth diagnostic, the number of mask
voxels, is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VertebraRow:
    """One vertebra.

    Parameters
    ----------
    vbmd_mg_cm3
        True trabecular density.
    core_hu
        Mean HU of the true trabecular core.
    features
        For each name of settings: values by feature, for the true outline and each reader.
    """

    patient: str
    level: Level
    is_fracture: bool
    age_years: int
    scanner: str
    slice_mm: float
    t_score: float
    core_hu: float
    vbmd_mg_cm3: float
    features: Mapping[str, Sequence[Mapping[str, float]]]


def make_woman(
    cohort: OvcfCohort, folder: Path, row: int, *, engine: Engine = Engine.NATIVE
) -> None:
    """Scan one woman, unless her file exists."""
    file = folder / f"{row:04d}.json"
    if file.exists():
        return
    subject, scanner, pixel = cohort.subject(row), cohort.scanner(row), cohort.pixel_mm(row)
    body = plan_body(subject)
    t_scores = cohort.t_scores(row)
    levels: dict[str, dict[str, Any]] = {}
    for level in cohort.levels(row):
        step = scanner.slice_thickness_mm
        crop = simulate_crop(subject, _grid(body, level, pixel, step), scanner)
        levels[level.name] = {
            "t_score": t_scores[level],
            "core_hu": float(crop.image.hu[crop.core(level)].mean()),
            "vbmd_mg_cm3": subject.vbmd_mg_cm3[level],
            "features": _features(
                crop, level, (step, pixel, pixel), cohort.name, subject.seed, engine
            ),
        }
    record = {
        "simulated": True,
        "seed": subject.seed,
        "engine": engine,
        "is_fracture": bool(cohort.people.is_case[row]),
        "fractured": [level.name for level in cohort.fractured(row)],
        "age_years": subject.age_years,
        "scanner": scanner.model.name,
        "kernel": scanner.kernel,
        "mas": scanner.mas,
        "slice_mm": scanner.slice_thickness_mm,
        "pixel_mm": pixel,
        "levels": levels,
    }
    new = file.with_suffix(".new")
    new.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    new.replace(file)


def _grid(body: BodyPlan, level: Level, pixel: float, step: float) -> Any:
    """Grid of a box that holds the tilted body and its margin."""
    width, depth, height = body.vertebra(level).size_mm
    along = height + LEAN * depth, depth + LEAN * height, width
    size = [one + 2 * MARGIN_MM for one in along]
    slices, rows, columns = (
        int(np.ceil(one / spacing)) for one, spacing in zip(size, (step, pixel, pixel), strict=True)
    )
    return vertebra_grid(
        body, level, shape=(slices, rows, columns), spacing_mm=(pixel, pixel, step)
    )


def _features(
    crop: Crop,
    level: Level,
    spacing_mm: tuple[float, float, float],
    cohort: str,
    seed: int,
    engine: Engine,
) -> dict[str, list[dict[str, float]]]:
    """Features of the true outline and of both readers' outlines, with each of the cohort's settings.

    Raises
    ------
    UnusableSample
        A region cannot be measured, which is an error of the simulation.
    """
    truth = largest_part(crop.body(int(level)), corners=True)
    again = repeated_masks(truth, spacing_mm, READERS, seed=seed * 100 + int(level))
    masks = [truth, *(largest_part(mask, corners=True) for mask in again)]
    image = ScalarImage(
        values=crop.image.hu.astype(np.float32), spacing_mm=np.array(spacing_mm, np.float64)
    )
    found: dict[str, list[dict[str, float]]] = {}
    for name in SETTINGS[cohort]:
        found[name] = []
        for features in extract_features(
            image, masks, feature_settings(name), engine=engine, threads=1
        ):
            if isinstance(features, Abstained):
                raise UnusableSample(
                    f"seed {seed}, {level.name}: {features.reason}", "a body to measure"
                )
            found[name].append(
                {key: value for key, value in features.values.items() if key not in OF_THE_IMAGE}
            )
    return found


def make_features(
    cohort: OvcfCohort, work: Path, *, engine: Engine = Engine.NATIVE, jobs: int = 1
) -> Path:
    """Scan all women of a cohort and return the folder; a repeated call continues."""
    require_engine(engine)
    folder = work / cohort.name
    folder.mkdir(parents=True, exist_ok=True)
    for_each(
        partial(make_woman, cohort, folder, engine=engine),
        range(len(cohort.people)),
        cohort.name,
        jobs=jobs,
    )
    return folder


def read_vertebrae(folder: Path) -> list[VertebraRow]:
    """Read all vertebrae of a folder, in order of woman and level."""
    found = []
    for file in sorted(folder.glob("*.json")):
        record = json.loads(file.read_text(encoding="utf-8"))
        shared = {key: record[key] for key in ("is_fracture", "age_years", "scanner", "slice_mm")}
        for name, values in record["levels"].items():
            found.append(
                VertebraRow(patient=str(record["seed"]), level=Level[name], **shared, **values)
            )
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cohort", choices=RECIPES, nargs="+", default=list(RECIPES))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument(
        "--engine", type=Engine, choices=list(Engine), default=Engine.NATIVE, help="of the features"
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    for name in args.cohort:
        cohort = plan_ovcf(name, seed=args.seed)
        make_features(cohort, args.work, engine=args.engine, jobs=args.jobs)


if __name__ == "__main__":
    main()
