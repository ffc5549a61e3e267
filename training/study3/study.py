"""Run study 3 on the virtual cohort and print its results beside the published ones.

    python -m training.study3 --out docs/results/study3 --work runs/study3 --jobs 1
    python -m training.study3 --work runs/study3 --ship models/weights

The program makes cohort, outlines and features (files in ``--work`` are reused), fits selection and
forest on the training part only, and writes table and pictures. ``--ship`` writes the forest for the
product with its card. ``training.study3.femur_status`` runs the same analysis on a hospital's own table.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline

from pipelines.contract.feature_engine import Engine
from pipelines.secondary.hip import FOREST
from training.loop.about import Kind, Source
from training.loop.sklearn_export import forest_model_of, save_model, shrink
from training.selection.recipes import femur_chain
from training.statistics.cuts import counts_at, youden_cut
from training.statistics.delong import delong_test
from training.statistics.intraclass import icc_2_1
from training.statistics.multiclass import one_vs_rest
from training.statistics.proportions import wilson
from training.statistics.sample import FloatArray
from training.study3.examples import NETWORK, READER, Example, make_examples, read_examples
from training.study3.femur_status import (
    MEAN_HU,
    PARTS,
    Femora,
    draw,
    fit_models,
    mean_hu,
    part_rows,
)
from training.study3.femur_status import NOTES as NOTES_OF_TABLE
from training.tables import figures
from training.tables.published import CLASSES, STUDY_3
from training.tables.table import VIRTUAL, Row, Stopwatch, StudyTable, markdown, row, write_table

SEED: Final = 1
TREES: Final = 500
VERSION: Final = "0.2.0"
FOLDS: Final = 5
FEWEST: Final = 8
"""Fewest cases of each class for the bootstrap of an AUC; a part with fewer is skipped."""
VIOLINS: Final = 4
"""Number of features to draw, those with the highest importance in the forest."""
OUTCOME: Final = (
    "Range of areal density (lower T-score of femoral neck and total hip by simulated DXA) of a "
    "simulated hip with these features; no measurement of areal density"
)
NOTES: Final = (
    "Reference: DXA of the scanned hip by projection of the simulated patient; class by the lower "
    "T-score of femoral neck and total hip (the study does not state the site).",
    "Each part has as many patients of each class as in the study. Scanner, kernels and the family of "
    "skeletons of test patients are in no other part.",
    "The shipped 1 mm network outlines the femora of the test part and of every fourth other patient; a "
    "simulated reader (the true outline, shifted and roughened) outlines the rest. Dice of the network "
    "is for these simulated bones, so it is optimistic for real ones.",
    "Slices: 1.25 mm in the test part, as in study 3; 1 to 2 mm in the others.",
    "Simulated femora differ in density, cortex, size and form. Density has the largest effect on the "
    "class, so the mean attenuation alone comes close to the reference. Real hips have more differences.",
)


def femora_of(examples: Sequence[Example], outlines: Sequence[str]) -> Femora:
    """Table of features; each femur has those of its first available outline.

    Femora without any outline are excluded, since radiomics of a failed mask is withheld.
    """
    used = [
        (one, next(one.features[name] for name in outlines if name in one.features))
        for one in examples
        if any(name in one.features for name in outlines)
    ]
    names = tuple(used[0][1])
    of = np.array([one.part for one, _ in used])
    return Femora(
        patient=np.array([f"{one.part} {one.number}" for one, _ in used]),
        status=np.array([one.status for one, _ in used]),
        names=names,
        features=np.array([[found[name] for name in names] for _, found in used]),
        parts={part: np.flatnonzero(of == part) for part in PARTS},
        cohort=VIRTUAL,
    )


def outline_rows(examples: Sequence[Example]) -> list[Row]:
    """Dice and volume difference of the network's outlines, and the number withheld."""
    rows = []
    for part in ("validation", "test"):
        mine = [one for one in examples if one.part == part]
        scores = [one.dice for one in mine if one.dice is not None]
        if not scores:
            continue
        n = len(scores)
        apart = [one.volume_difference_cm3 for one in mine if one.volume_difference_cm3 is not None]
        rows += [
            row(STUDY_3[f"dice_{part}"], float(np.mean(scores)), n=n),
            row(f"SD of it, {part}", float(np.std(scores, ddof=1)), n=n),
            row(
                STUDY_3[f"volume_difference_{part}"],
                float(np.median(np.abs(apart))),
                n=n,
            ),
            row(f"signed volume difference, {part}, cm3: median", float(np.median(apart)), n=n),
            row(
                f"outlines withheld, {part}",
                float(sum(one.withheld is not None for one in mine)),
                n=n + sum(one.withheld is not None for one in mine),
            ),
        ]
    return rows


def test_rows(table: Femora, probabilities: FloatArray, beside: FloatArray) -> list[Row]:
    """Results of the test part: Wilson's intervals, and DeLong's test against the mean attenuation."""
    train, rows = table.parts["train"], table.parts["test"]
    truth = table.status[rows]
    found = []
    for number, name in enumerate(CLASSES):
        cut = youden_cut(table.status[train] == number, probabilities[train, number])
        at_cut = counts_at(truth == number, probabilities[rows, number], cut)
        for word, measure in (
            ("sensitivity", at_cut.sensitivity),
            ("specificity", at_cut.specificity),
            ("accuracy", at_cut.accuracy),
        ):
            estimate = measure(wilson)
            found.append(row(f"{word} {name}, test, Wilson", estimate, n=estimate.n))
        difference = delong_test(truth == number, probabilities[rows, number], beside[rows, number])
        found += [
            row(f"AUC {name}, test: forest minus mean HU", difference.difference, n=len(rows)),
            row(f"DeLong P of it, {name}", difference.p, n=len(rows)),
        ]
    return found


def robustness_rows(
    examples: Sequence[Example], chain: Pipeline, names: Sequence[str]
) -> list[Row]:
    """Test part with the reader's outlines: AUCs, and ICC of the forest's features."""
    both = [
        one for one in examples if one.part == "test" and {NETWORK, READER} <= set(one.features)
    ]
    if min(np.bincount([one.status for one in both], minlength=len(CLASSES))) < FEWEST:
        return []
    values = np.array(
        [[[one.features[who][name] for name in names] for who in (NETWORK, READER)] for one in both]
    )
    truth = np.array([one.status for one in both])
    areas = one_vs_rest(truth, chain.predict_proba(values[:, 1]))
    kept = [list(names).index(name) for name in shrink(chain, names).features]
    icc = icc_2_1(values[:, :, kept])
    return [
        *(
            row(f"AUC {name}, test, outlined by a reader", area, n=len(both))
            for name, area in zip(CLASSES, areas, strict=True)
        ),
        row("ICC(2,1) network and reader, forest's features: median", float(np.median(icc)), n=len(both)),
        row("the same: least", float(icc.min()), n=len(both)),
    ]  # fmt: skip


def folds_rows(table: Femora, *, trees: int, seed: int) -> list[Row]:
    """AUCs by cross-validation in the training part, with selection and forest in each fold."""
    rows = table.parts["train"]
    chain = clone(femur_chain(trees=trees, seed=seed))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    X, y = table.features[rows], table.status[rows]
    areas = one_vs_rest(y, cross_val_predict(chain, X, y, cv=folds, method="predict_proba"))
    return [
        row(f"AUC {name}, {FOLDS} folds of the training part", area, n=len(rows))
        for name, area in zip(CLASSES, areas, strict=True)
    ]


def draw_features(table: Femora, chain: Pipeline, folder: Path) -> None:
    """Draw violins by class of the features with the highest importance in the forest."""
    left = shrink(chain, table.names)
    order = np.argsort(left.estimator.feature_importances_)[::-1][:VIOLINS]
    rows = table.parts["test"]
    for place, number in enumerate(order, start=1):
        name = left.features[int(number)]
        values = table.features[rows, table.names.index(name)]
        groups = {one: values[table.status[rows] == k] for k, one in enumerate(CLASSES)}
        figures.violins(groups, folder / f"feature_{place}.png", quantity=name)


def ship(
    table: Femora, chain: Pipeline, rows: Sequence[Row], folder: Path, *, seed: int, trees: int
) -> None:
    """Write the forest and its card."""
    train = table.features[table.parts["train"]]
    model = forest_model_of(chain, table.names, outcome=OUTCOME, classes=CLASSES, seen=train)
    metrics = [
        {"on": one.cohort, "what": one.metric, "value": one.reproduced, "n": one.n}
        for one in rows
        if one.reproduced is not None and one.metric.startswith(("AUC", "ICC"))
    ]
    save_model(
        folder,
        model,
        name=FOREST,
        version=VERSION,
        task="Range of areal density of a proximal femur, from radiomic features",
        sources=[
            Source(
                kind=Kind.VIRTUAL,
                count=len(train),
                what="of training/cohort, one hip each; three simulated scanners at 1 to 2 mm, 120 "
                "kV, low dose, without contrast medium, implants, fractures or lesions; class by "
                "simulated DXA of the same hip",
            )
        ],
        training=f"RFE to 50, mRMR to 20, LASSO to {len(model.features)}, random forest of {trees} "
        f"trees, seed {seed}; python -m training.study3",
        metrics=metrics,
        intended_use="Research use only. Similarity of a hip to ranges of areal density.",
        limits="Trained on no real hip. In two real CTs the features of all four hips were outside the "
        "range of the simulated ones, so no class was given. On simulated patients the mean attenuation "
        "alone is as good (DeLong rows of study 3). No class is given for features beyond 99.5 % of the "
        "training cases, slices over 2 mm, sharp kernels, other voltages than 120 kV, or under 50 years.",
        licence="Apache-2.0",
    )


def _is_filled(table: Femora, part: str) -> bool:
    counts = np.bincount(table.status[table.parts[part]], minlength=len(CLASSES))
    return int(counts.min()) >= FEWEST


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="folder for table.json, table.md and pictures")
    parser.add_argument("--work", type=Path, default=Path("runs/study3"), help="examples")
    parser.add_argument("--jobs", type=int, default=1, help="processes that scan patients")
    parser.add_argument(
        "--engine", type=Engine, choices=list(Engine), default=Engine.NATIVE, help="of the features"
    )
    parser.add_argument("--trees", type=int, default=TREES)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument(
        "--as-is", action="store_true", help="use only the patients that --work holds"
    )
    parser.add_argument("--ship", type=Path, help="folder for the forest and its card")
    args = parser.parse_args()
    watch = Stopwatch(module="training.study3", seed=args.seed)
    if not args.as_is:
        make_examples(args.work, seed=args.seed, engine=args.engine, jobs=args.jobs)
    examples = read_examples(args.work)
    table = femora_of(examples, (NETWORK, READER))
    chain, baseline = fit_models(table, trees=args.trees, seed=args.seed)
    assert baseline is not None, f"{MEAN_HU} is among the features"
    probabilities = chain.predict_proba(table.features)
    beside = baseline.predict_proba(mean_hu(table))
    filled = [part for part in PARTS if _is_filled(table, part)]
    rows = [one for part in filled for one in part_rows(table, part, probabilities, beside)]
    if "test" in filled:
        rows += test_rows(table, probabilities, beside)
    rows += robustness_rows(examples, chain, table.names)
    rows += folds_rows(table, trees=args.trees, seed=args.seed)
    rows += outline_rows(examples)
    left = ", ".join(shrink(chain, table.names).features)
    notes = [*NOTES, *NOTES_OF_TABLE, f"Features of the forest: {left}."]
    result = StudyTable(study="Study 3, bone status", run=watch.stop(), rows=rows, notes=notes)
    print(markdown(result))
    if args.out:
        write_table(result, args.out)
        draw(table, probabilities, args.out)
        draw_features(table, chain, args.out)
    if args.ship:
        ship(table, chain, rows, args.ship, seed=args.seed, trees=args.trees)


if __name__ == "__main__":
    main()
