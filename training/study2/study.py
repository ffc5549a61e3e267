"""Run study 2 on the virtual cohort beside the published results, and fit the R-score of the product.

    python -m training.study2 --out docs/results/study2 --work runs/study2 --jobs 1
    python -m training.study2 --out docs/results/study2 --work runs/study2 \
        --ship models/weights

The program scans the women that are missing in ``--work`` (resumable), extracts the features and runs
the study's pipeline with the study's and the product's settings, split by vertebra as in the study and
by patient. ``--ship`` also writes the product's model and its card. ``--as-shipped`` tests the shipped
model. For a table of features of real patients use ``training.study2.r_score``.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipelines.contract.feature_engine import Engine
from pipelines.radiomics.settings import SettingsName
from training.selection.recipes import FOLDS
from training.statistics.errors import UnusableSample
from training.study2 import plan
from training.study2.features import VertebraRow, make_features, read_vertebrae
from training.study2.model import fit_product, product_rows, ship, shipped_model
from training.study2.own_outline import make_own, with_own
from training.study2.plan import Effect, plan_ovcf
from training.study2.r_score import NOTES, SPLITS, FeatureTable, run_study
from training.tables.table import VIRTUAL, Stopwatch, StudyTable, markdown, write_table

SEED = 1
OWN = 3
"""Index of the product's outline, after the true one and those of two readers."""


def _in_words(effect: Effect) -> str:
    return (
        f"{effect.vbmd_mg_cm3:g} mg/cm3 of trabecular density for their age, {effect.texture:g} times "
        f"the unevenness of trabecular density, {effect.cortex_g_cm2:+g} g/cm2 of areal density from "
        "cortex and arch"
    )


TUNED = (
    f"Effect of fracture: {_in_words(plan.TUNED)}. It was tuned to the AUCs of the study, so agreement "
    f"with them is no evidence. As first specified: {_in_words(plan.SPECIFIED)}. Hyperostosis and "
    "plaque as in other people of that age.",
    "T-scores: closed form of areal density, per level. One scanner (120 kV, 1.25 mm, 50 to 220 mAs), "
    "pixels of 0.39 mm; kernel and field of view are assumed.",
    "Crops are simulated, not whole scans. Mean, lowest and highest value of the image, three of the "
    "study's 111 features, are therefore missing; 108 remain with the faithful settings, 107 with the "
    "product's.",
    "ICC over the true outline and those of two readers (offset 0.5 mm, shift 0.3 mm, roughness 0.5 mm); "
    "for the R-score of the product over these and its own outline.",
    "R-score of the product: fitted and tested on outlines of the product's vertebra network, which "
    "include osteophytes. Centres and axes have the error of a localisation. Vertebrae without an "
    "outline are excluded.",
)


def feature_table(
    rows: Sequence[VertebraRow], settings: SettingsName, cohort: str, *, outline: int = 0
) -> FeatureTable:
    """Feature table of the vertebrae with one of the settings.

    Parameters
    ----------
    outline
        Outline with the scored features: 0 true, 1 and 2 readers, ``OWN`` product. The other
        outlines are repeats.
    """
    if not rows:
        raise UnusableSample(f"no vertebra for {cohort}", "the files of training.study2.features")
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
    """Scan, run the study, print and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/study2"), help="features")
    parser.add_argument("--jobs", type=int, default=1, help="processes that scan")
    parser.add_argument("--splits", type=int, default=SPLITS, help="splits for the leakage")
    parser.add_argument("--folds", type=int, default=FOLDS, help="folds of the LASSO")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument(
        "--engine", type=Engine, choices=list(Engine), default=Engine.NATIVE, help="of the features"
    )
    product = parser.add_mutually_exclusive_group()
    product.add_argument("--ship", type=Path, help="folder for the product's model and card")
    product.add_argument(
        "--as-shipped", action="store_true", help="test the shipped formula, fit no other"
    )
    parser.add_argument(
        "--as-specified", action="store_true", help="only the effect that was specified first"
    )
    args = parser.parse_args()
    if args.as_specified:
        specified_part(args)
    else:
        study_part(args)


def study_part(args: argparse.Namespace) -> None:
    """Run the study with both settings, and the model of the product."""
    watch = Stopwatch(module="training.study2", seed=args.seed)
    study, product, held_out = (women_of(args, name) for name in ("study", "product", "held_out"))
    faithful = feature_table(study, "study2_faithful", f"{VIRTUAL}, faithful settings")
    gridded = feature_table(study, "study2_product", f"{VIRTUAL}, product settings")
    rows, notes = run_study(
        faithful, args.out, splits=args.splits, folds=args.folds, seed=args.seed
    )
    found, product_notes = run_study(gridded, None, splits=0, folds=args.folds, seed=args.seed)
    outlined = [
        with_own(rows_of, own_outlines(args, name))
        for name, rows_of in (("product", product), ("held_out", held_out))
    ]
    outlined_women = feature_table(
        outlined[0], "study2_product", f"{VIRTUAL}, product", outline=OWN
    )
    model = (
        shipped_model(outlined_women)
        if args.as_shipped
        else fit_product(outlined_women, folds=args.folds, seed=args.seed)
    )
    unseen = [
        feature_table(
            outlined[1],
            "study2_product",
            f"{VIRTUAL}, another scanner and family of skeletons",
            outline=outline,
        )
        for outline in (OWN, *range(OWN))
    ]
    result = StudyTable(
        study="Study 2, R-score",
        run=watch.stop(),
        rows=[*rows, *found, *product_rows(model, unseen)],
        notes=[
            *NOTES,
            *TUNED,
            *notes,
            *product_notes,
            f"R-score of the product: {model.in_words()}.",
        ],
    )
    print(markdown(result))
    write_table(result, args.out)
    if args.ship:
        ship(model, unseen[0], args.ship, command=result.run.command)


def specified_part(args: argparse.Namespace) -> None:
    """Run the study on the same women with the effect specified before any image was made."""
    watch = Stopwatch(module="training.study2", seed=args.seed)
    table = feature_table(
        women_of(args, "study_as_specified"),
        "study2_faithful",
        f"{VIRTUAL}, effect as first specified, faithful settings",
    )
    rows, notes = run_study(table, None, splits=0, folds=args.folds, seed=args.seed)
    result = StudyTable(
        study="Study 2, R-score, effect as first specified",
        run=watch.stop(),
        rows=rows,
        notes=[*NOTES, *TUNED, *notes],
    )
    print(markdown(result))
    write_table(result, args.out)


def women_of(args: argparse.Namespace, name: str) -> list[VertebraRow]:
    """Vertebrae of a cohort; missing ones are scanned first."""
    cohort = plan_ovcf(name, seed=args.seed)
    return read_vertebrae(make_features(cohort, args.work, engine=args.engine, jobs=args.jobs))


def own_outlines(args: argparse.Namespace, name: str) -> Path:
    """Folder of the product's outlines of a cohort; made first where they are missing."""
    return make_own(plan_ovcf(name, seed=args.seed), args.work, engine=args.engine, jobs=args.jobs)


if __name__ == "__main__":
    main()
