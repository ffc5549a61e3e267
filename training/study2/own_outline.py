"""Extract the features of study 2 from the outline of the product's vertebra network.

    python -m training.study2.own_outline --cohort product held_out --work runs/study2 --jobs 2

Outlines of the network differ from the true body in other ways than those of readers, and the score
depends on the outline. The R-score of the product is therefore fitted on these features. The true and
the readers' outlines serve only to select repeatable features (ICC). Writes one JSON file per woman
beside the folder of her cohort; a woman with a file is skipped.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from pipelines.contract.anatomy import Level
from pipelines.contract.feature_engine import Engine, require_engine
from pipelines.contract.findings import Abstained
from pipelines.locate.localize import LocatedVertebra
from pipelines.outline.vertebrae_1mm import look_at
from pipelines.radiomics.extract import extract_features
from pipelines.radiomics.region import ScalarImage
from pipelines.radiomics.settings import feature_settings
from pipelines.read.volume import CtVolume, Segmentation
from training.cohort.body.plan import VertebraPlan, plan_body
from training.cohort.scan.as_ct_volume import located, volume
from training.cohort.scan.crops import simulate_crop, vertebra_grid
from training.loop.parallel import for_each
from training.study2.features import VertebraRow
from training.study2.plan import OvcfCohort, plan_ovcf

COHORTS: Final = ("product", "held_out")
SETTINGS: Final = "study2_product"
FIELD_MM: Final = (64.0, 84.0, 84.0)
"""Slices, rows, columns: larger than the network's crop of one vertebra."""
PLACE_SD_MM: Final = 1.5
AXIS_SD: Final = 0.05
"""Standard deviation of the error of the located centre and axis (radians for the axis)."""

Values = dict[str, float]


def outline_woman(
    cohort: OvcfCohort, folder: Path, row: int, *, engine: Engine = Engine.NATIVE
) -> None:
    """Outline and measure one woman's vertebrae, unless her file exists."""
    file = folder / f"{row:04d}.json"
    if file.exists():
        return
    subject, scanner, pixel = cohort.subject(row), cohort.scanner(row), cohort.pixel_mm(row)
    body = plan_body(subject)
    rng = np.random.default_rng([subject.seed, 7])
    found: dict[str, Values | None] = {}
    for level in cohort.levels(row):
        step = scanner.slice_thickness_mm
        shape = tuple(
            int(np.ceil(size / spacing))
            for size, spacing in zip(FIELD_MM, (step, pixel, pixel), strict=True)
        )
        grid = vertebra_grid(
            body, level, shape=(shape[0], shape[1], shape[2]), spacing_mm=(pixel, pixel, step)
        )
        crop = simulate_crop(subject, grid, scanner)
        ct = volume(crop.image.hu, crop.image.affine_lps)
        truth = Segmentation(labels=crop.body(int(level)) * np.uint8(level), geometry=ct.geometry)
        place = nearly_located(body.vertebra(level), level, rng)
        found[level.name] = own_features(ct, truth, place, engine=engine)
    record = {"simulated": True, "seed": subject.seed, "engine": engine, "levels": found}
    new = file.with_suffix(".new")
    new.write_text(json.dumps(record) + "\n", encoding="utf-8")
    new.replace(file)


def nearly_located(
    vertebra: VertebraPlan, level: Level, rng: np.random.Generator
) -> LocatedVertebra:
    """Position of a vertebra with the error of a localisation in centre and axis."""
    place = vertebra.centre_lps_mm + rng.normal(0, PLACE_SD_MM, 3)
    up = vertebra.axes[2] + rng.normal(0, AXIS_SD, 3)
    return located(vertebra, level, centre_lps_mm=place, up_lps=up / np.linalg.norm(up))


def own_features(
    ct: CtVolume,
    coarse: Segmentation,
    vertebra: LocatedVertebra,
    *,
    engine: Engine = Engine.NATIVE,
) -> Values | None:
    """Features of the body in the vertebra network's outline; ``None`` if there is no outline."""
    fine = look_at(ct, vertebra, coarse, int(vertebra.level))
    if fine is None or not fine.is_confident:
        return None
    mask = np.zeros(ct.hu.shape, bool)
    mask[fine.box] = fine.body
    image = ScalarImage(values=ct.hu, spacing_mm=ct.geometry.spacing_mm)
    (features,) = extract_features(
        image, [mask], feature_settings(SETTINGS), engine=engine, threads=1
    )
    return None if isinstance(features, Abstained) else dict(features.values)


def make_own(
    cohort: OvcfCohort, work: Path, *, engine: Engine = Engine.NATIVE, jobs: int = 1
) -> Path:
    """Outline all women of a cohort and return the folder; a repeated call continues."""
    require_engine(engine)
    folder = work / f"{cohort.name}_own"
    folder.mkdir(parents=True, exist_ok=True)
    for_each(
        partial(outline_woman, cohort, folder, engine=engine),
        range(len(cohort.people)),
        folder.name,
        jobs=jobs,
    )
    return folder


def with_own(rows: Sequence[VertebraRow], folder: Path) -> list[VertebraRow]:
    """Add the product's outline to the rows as the fourth; rows without it are dropped."""
    own: dict[tuple[str, str], Values] = {}
    for file in sorted(folder.glob("*.json")):
        record = json.loads(file.read_text(encoding="utf-8"))
        for name, values in record["levels"].items():
            if values is not None:
                own[str(record["seed"]), name] = values
    return [
        replace(
            one,
            features={SETTINGS: [*one.features[SETTINGS], own[one.patient, one.level.name]]},
        )
        for one in rows
        if (one.patient, one.level.name) in own
    ]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cohort", choices=COHORTS, nargs="+", default=list(COHORTS))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument(
        "--engine", type=Engine, choices=list(Engine), default=Engine.NATIVE, help="of the features"
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    for name in args.cohort:
        make_own(plan_ovcf(name, seed=args.seed), args.work, engine=args.engine, jobs=args.jobs)


if __name__ == "__main__":
    main()
