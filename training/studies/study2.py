"""Study 2, published beside reproduced on the virtual cohort, and the R-score of the product.

    python -m training.studies.study2 --out docs/results/study2 --work runs/study2 --jobs 1
    python -m training.studies.study2 --out docs/results/study2 --work runs/study2 \
        --ship models/weights

Scans the women that are missing in ``--work`` (resumable), extracts the features, and runs the
study's chain on them: faithful settings and those of the product, split by vertebra as printed and
by patient. ``--ship`` also writes the product's model and its card. For a table of features of real
patients see ``training.studies.study2_rscore``.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipelines.radiomics.settings import SettingsName
from training.cohort.studies import OVCF_CORTEX_SHIFT_G_CM2, OVCF_SHIFT_MG_CM3, OVCF_TEXTURE
from training.ovcf.features import VertebraRow, make_features, read_vertebrae
from training.ovcf.model import ProductModel, fit_product, product_rows, ship
from training.ovcf.plan import RECIPES, plan_ovcf
from training.selection.recipes import FOLDS
from training.statistics.errors import UnusableSample
from training.studies.study2_rscore import NOTES, SPLITS, FeatureTable, run_study
from training.studies.table import VIRTUAL, Stopwatch, StudyTable, markdown, write_table

SEED = 1
TUNED = (
    f"Tuned, so agreement with the study proves nothing else: fracture patients have "
    f"{OVCF_SHIFT_MG_CM3:g} mg/cm3 trabecular density beside their age (-1.2 SD), {OVCF_TEXTURE:g} "
    f"times the unevenness of trabecular density, {OVCF_CORTEX_SHIFT_G_CM2:g} g/cm2 less areal "
    "density from cortex and arch. Hyperostosis and plaque as in anybody of their age.",
    "T-scores: closed form of areal density, per level. One scanner (120 kV, 1.25 mm, 50 to 220 mAs), "
    "pixels of 0.39 mm; kernel and field of view are assumed.",
    "Crops are simulated, not whole scans: mean, lowest and highest value of the image, three of the study's "
    "111 features, are left out; 108 remain with the faithful settings, 107 with the product's.",
    "ICC over the true outline and two readers' (offset 0.5 mm, shift 0.3 mm, roughness 0.5 mm).",
)


def feature_table(
    rows: Sequence[VertebraRow], settings: SettingsName, cohort: str, *, outline: int = 0
) -> FeatureTable:
    """Vertebrae under one of the settings.

    Parameters
    ----------
    outline
        Whose features are scored: 0 the true outline, 1 and 2 the readers'; the others are repeats.
    """
    if not rows:
        raise UnusableSample(f"no vertebra for {cohort}", "run without --no-scan")
    names = tuple(rows[0].features[settings][0])
    values = np.array(
        [[[found[name] for name in names] for found in one.features[settings]] for one in rows]
    )
    others = [number for number in range(values.shape[1]) if number != outline]
    return FeatureTable(
        patient=np.array([one.patient for one in rows]),
        is_fracture=np.array([one.is_fracture for one in rows]),
        t_score=np.array([one.t_score for one in rows]),
        names=names,
        features=values[:, outline],
        repeats=values[:, others],
        cohort=cohort,
        baselines={
            "mean HU of the core": -np.array([one.core_hu for one in rows]),
            "true trabecular density": -np.array([one.vbmd_mg_cm3 for one in rows]),
        },
    )


def main() -> None:
    """Scan, run, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/study2"), help="features")
    parser.add_argument("--jobs", type=int, default=1, help="processes that scan")
    parser.add_argument("--splits", type=int, default=SPLITS, help="for the leakage")
    parser.add_argument("--folds", type=int, default=FOLDS, help="of the LASSO")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--ship", type=Path, help="folder for the product's model and card")
    args = parser.parse_args()
    watch = Stopwatch(module="training.studies.study2", seed=args.seed)
    women = {
        name: read_vertebrae(
            make_features(plan_ovcf(name, seed=args.seed), args.work, jobs=args.jobs)
        )
        for name in RECIPES
    }
    faithful = feature_table(women["study"], "study2_faithful", f"{VIRTUAL}, faithful settings")
    gridded = feature_table(women["study"], "study2_product", f"{VIRTUAL}, product settings")
    rows, notes = [], [*NOTES, *TUNED]
    for table, folder in ((faithful, args.out), (gridded, args.out / "product_settings")):
        found, said = run_study(table, folder, splits=args.splits, folds=args.folds, seed=args.seed)
        rows += found
        notes += said
    model: ProductModel = fit_product(
        feature_table(women["product"], "study2_product", f"{VIRTUAL}, product"),
        folds=args.folds,
        seed=args.seed,
    )
    held_out = [
        feature_table(
            women["held_out"],
            "study2_product",
            f"{VIRTUAL}, another scanner and family of skeletons",
            outline=outline,
        )
        for outline in range(3)
    ]
    rows += product_rows(model, held_out)
    notes.append(f"R-score of the product: {model.in_words()}.")
    result = StudyTable(study="Study 2, R-score", run=watch.stop(), rows=rows, notes=notes)
    print(markdown(result))
    write_table(result, args.out)
    if args.ship:
        ship(model, held_out[0], args.ship, command=result.run.command)


if __name__ == "__main__":
    main()
