"""Run study 3 on a table of features: three-class bone status of the femur, beside published results.

    python -m training.study3.femur_status --features femora.csv --out docs/results/study3

The table has one row per femur: patient, status (normal, osteopenia, osteoporosis), and one column per
radiomic feature. A column ``part`` (train, validation, test) gives the split, for instance by date.
Without it patients are split as in the study, 248 : 107 : 101. The feature
``original_firstorder_Mean``, if present, is the baseline.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from training.selection.recipes import femur_chain
from training.statistics.confusion import BinaryCounts, counts, overall_accuracy, weighted_kappa
from training.statistics.cuts import counts_at, youden_cut
from training.statistics.errors import UnusableSample
from training.statistics.estimate import Estimate
from training.statistics.multiclass import macro_auc, one_vs_rest
from training.statistics.proportions import clopper_pearson
from training.statistics.sample import FloatArray, IndexArray
from training.tables import figures
from training.tables.feature_table import read_feature_rows
from training.tables.published import CLASSES, STUDY_3
from training.tables.table import VIRTUAL, Row, Stopwatch, StudyTable, markdown, row, write_table

KEYS = ("patient", "side", "status", "part")
PARTS = ("train", "validation", "test")
SIZES = (248, 107, 101)
MEAN_HU = "original_firstorder_Mean"
SEED = 1
NOTES = (
    "Sensitivity, specificity and accuracy of a class are those at its own cut (Youden, from the training "
    "part), as in the study, so that one patient may have two classes or none (docs/domain.md D2). The "
    "confusion matrix uses the most probable class.",
    "Intervals of AUC are clustered by patient (Obuchowski). Proportions: Clopper-Pearson, which the "
    "study prints as Wilson's (docs/domain.md D1).",
    "Baseline: multinomial logistic regression on the mean HU of the region alone.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Femora:
    """Femora with their features.

    Parameters
    ----------
    status : (n,)
        0 normal, 1 osteopenia, 2 osteoporosis.
    features : (n, features)
    parts
        Row numbers of training, validation and test part.
    cohort
        Name of the cohort in every row of results.
    """

    patient: NDArray[np.str_]
    status: IndexArray
    names: tuple[str, ...]
    features: FloatArray
    parts: Mapping[str, IndexArray]
    cohort: str


def read_femora(file: Path, *, seed: int = SEED, cohort: str = VIRTUAL) -> Femora:
    """Read the table and its split; without a split, draw one by patient.

    Raises
    ------
    UnusableSample
        A column or value is missing, a patient is in two parts, or a part lacks a class.
    """
    rows, names, values = read_feature_rows(file, KEYS, needed=("patient", "status"))
    patient = np.array([one["patient"] for one in rows])
    try:
        status = np.array([CLASSES.index(one["status"]) for one in rows])
    except ValueError as error:
        raise UnusableSample(f"{file.name}: status {error}", ", ".join(CLASSES)) from error
    if "part" in rows[0]:
        given = np.array([one["part"] for one in rows])
        parts = {name: np.flatnonzero(given == name) for name in PARTS}
    else:
        parts = _split(patient, status, seed)
    _refuse_broken(parts, patient, status)
    return Femora(
        patient=patient,
        status=status,
        names=names,
        features=values,
        parts=parts,
        cohort=cohort,
    )


def _split(patient: NDArray[np.str_], status: IndexArray, seed: int) -> dict[str, IndexArray]:
    """Split the patients in the study's proportions, stratified by the worse side."""
    names, index = np.unique(patient, return_inverse=True)
    worst = np.zeros(len(names), np.intp)
    np.maximum.at(worst, index, status)
    rest, test = train_test_split(
        np.arange(len(names)), test_size=SIZES[2] / sum(SIZES), stratify=worst, random_state=seed
    )
    train, validation = train_test_split(
        rest, test_size=SIZES[1] / sum(SIZES[:2]), stratify=worst[rest], random_state=seed
    )
    chosen = zip(PARTS, (train, validation, test), strict=True)
    return {part: np.flatnonzero(np.isin(index, members)) for part, members in chosen}


def _refuse_broken(
    parts: Mapping[str, IndexArray], patient: NDArray[np.str_], status: IndexArray
) -> None:
    seen: set[str] = set()
    for name, rows in parts.items():
        here = set(patient[rows])
        if here & seen:
            raise UnusableSample(f"patient {min(here & seen)} lies in two parts", "one part each")
        seen |= here
        if set(status[rows]) != set(range(len(CLASSES))):
            raise UnusableSample(f"{name} has the classes {set(status[rows])}", "all three")


def fit_models(table: Femora, *, trees: int, seed: int) -> tuple[Pipeline, Pipeline | None]:
    """Fit the study's pipeline and, if the feature is present, the mean-HU baseline on training rows."""
    rows = table.parts["train"]
    chain = femur_chain(trees=trees, seed=seed).fit(table.features[rows], table.status[rows])
    if MEAN_HU not in table.names:
        return chain, None
    baseline = make_pipeline(StandardScaler(), LogisticRegression(C=np.inf, max_iter=1000))
    return chain, baseline.fit(mean_hu(table)[rows], table.status[rows])


def mean_hu(table: Femora) -> FloatArray:
    """Feature of the baseline, (n, 1)."""
    return table.features[:, [table.names.index(MEAN_HU)]]


def part_rows(
    table: Femora, part: str, probabilities: FloatArray, baseline: FloatArray | None
) -> list[Row]:
    """All results of one part; probabilities are (n, 3) over the whole table."""
    rows = table.parts[part]
    truth, patient, n = table.status[rows], table.patient[rows], len(rows)
    areas = one_vs_rest(truth, probabilities[rows], clusters=patient)
    beside: list[Estimate | None] = [None] * len(CLASSES)
    if baseline is not None:
        beside = list(one_vs_rest(truth, baseline[rows], clusters=patient))
    found = []
    for number, (name, area, other) in enumerate(zip(CLASSES, areas, beside, strict=True)):
        value = None if other is None else other.value
        found.append(
            row(STUDY_3[f"auc_{name}_{part}"], area, n=n, cohort=table.cohort, baseline=value)
        )
        at_cut = _at_own_cut(table, part, number, probabilities[:, number])
        for word, measure in (
            ("sensitivity", at_cut.sensitivity),
            ("specificity", at_cut.specificity),
            ("accuracy", at_cut.accuracy),
        ):
            estimate = measure(clopper_pearson)
            published = STUDY_3[f"{word}_{name}_{part}"]
            found.append(row(published, estimate, n=estimate.n, cohort=table.cohort))
    matrix = counts(truth, probabilities[rows].argmax(axis=1), len(CLASSES))
    macro = macro_auc(truth, probabilities[rows], clusters=patient, resamples=500)
    return [
        *found,
        row(f"macro AUC, {part}", macro, n=n, cohort=table.cohort),
        row(f"accuracy of the most probable class, {part}", overall_accuracy(matrix), n=n, cohort=table.cohort),
        row(f"quadratic kappa, {part}", weighted_kappa(matrix), n=n, cohort=table.cohort),
    ]  # fmt: skip


def _at_own_cut(table: Femora, part: str, number: int, score: FloatArray) -> BinaryCounts:
    train, rows = table.parts["train"], table.parts[part]
    cut = youden_cut(table.status[train] == number, score[train])
    return counts_at(table.status[rows] == number, score[rows], cut)


def draw(table: Femora, probabilities: FloatArray, folder: Path) -> None:
    """Draw ROC, confusion, calibration and decision curves of the test part."""
    rows, cohort = table.parts["test"], f"{table.cohort}, test"
    truth = table.status[rows]
    curves = {
        name: (truth == number, probabilities[rows, number]) for number, name in enumerate(CLASSES)
    }
    figures.roc(curves, folder / "roc_test.png", cohort=cohort)
    matrix = counts(truth, probabilities[rows].argmax(axis=1), len(CLASSES))
    figures.confusion(matrix, CLASSES, folder / "confusion_test.png", cohort=cohort)
    calls = {name: (truth == k, probabilities[rows, k]) for k, name in enumerate(CLASSES)}
    figures.calibration_plot(calls, folder / "calibration_test.png", cohort=cohort)
    low = {"osteoporosis": (truth == len(CLASSES) - 1, probabilities[rows, -1])}
    figures.decision_curves(low, folder / "decision_test.png", cohort=cohort)


def main() -> None:
    """Fit the models, print and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--on", default=VIRTUAL, help="name of the cohort in every row")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--trees", type=int, default=500)
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args()
    watch = Stopwatch(module="training.study3.femur_status", seed=args.seed)
    table = read_femora(args.features, seed=args.seed, cohort=args.on)
    chain, baseline = fit_models(table, trees=args.trees, seed=args.seed)
    probabilities = chain.predict_proba(table.features)
    beside = None if baseline is None else baseline.predict_proba(mean_hu(table))
    rows = [one for part in PARTS for one in part_rows(table, part, probabilities, beside)]
    names = chain[:-1].get_feature_names_out(np.array(table.names))
    notes = [*NOTES, f"Features of the forest: {', '.join(map(str, names))}."]
    result = StudyTable(study="Study 3, bone status", run=watch.stop(), rows=rows, notes=notes)
    draw(table, probabilities, args.out)
    print(markdown(result))
    write_table(result, args.out)


if __name__ == "__main__":
    main()
