r"""Run study 2 on a table of features: R-score against T-score, beside the published results.

    python -m training.study2.r_score --features vertebrae.csv --repeats second.csv \
        --out docs/results/study2

One row per vertebra: patient, level, is_fracture (0 or 1: another level of the patient is
fractured), t_score, and one column per radiomic feature. ``--repeats`` takes files with the same
vertebrae from further segmentations. Without them the ICC step is skipped, and the notes state this.

The program runs two splits: by vertebra, as in the study, and by patient. The difference is the leakage
(docs/domain.md B4). Fracture is the positive class (docs/domain.md B1), and the cut comes from the
training part (docs/domain.md B3).
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.model_selection import StratifiedGroupKFold, train_test_split
from sklearn.pipeline import Pipeline

from training.selection.recipes import FOLDS, rscore_chain
from training.statistics.calibration import fit_probability
from training.statistics.clustered import clustered_interval, clustered_test
from training.statistics.confusion import BinaryCounts, IntervalMethod
from training.statistics.confusion import counts as confusion_matrix
from training.statistics.cuts import counts_at, youden_cut
from training.statistics.delong import auc, delong_interval, delong_test
from training.statistics.errors import UnusableSample
from training.statistics.estimate import Estimate, central
from training.statistics.proportions import clopper_pearson, wilson
from training.statistics.sample import BoolArray, FloatArray, IndexArray
from training.statistics.splits import repeated_splits
from training.tables import figures
from training.tables.feature_table import read_feature_rows
from training.tables.published import STUDY_2, Published
from training.tables.table import VIRTUAL, Row, Stopwatch, StudyTable, markdown, row, write_table

Unit = Literal["vertebra", "patient"]

KEYS = ("patient", "level", "is_fracture", "t_score")
TEST_SHARE = 0.3
"""The study tested 99 of 329 vertebrae."""
OSTEOPOROSIS_T = -2.5
SPLITS = 20
SEED = 1
NOTES = (
    "Fracture is the positive class. Published sensitivities and specificities are those of Table 2 with "
    "corrected classes (docs/domain.md B1), published accuracies follow from its counts (docs/domain.md B2).",
    "Intervals: DeLong's for the split by vertebra, as in the study; Obuchowski's, clustered by patient, "
    "for the split by patient. Proportions: Clopper-Pearson, and Wilson where named.",
    "Cuts come from the training part (Youden); the study determined new cuts on the test part "
    "(docs/domain.md B3).",
    "Baseline of the R-score: the T-score of the same vertebrae.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureTable:
    """Vertebrae with their features.

    Parameters
    ----------
    patient : (n,)
    is_fracture : (n,)
    t_score : (n,)
    names
        Names of the features.
    features : (n, features)
    repeats : (n, times, features), optional
        The same features from further segmentations.
    cohort
        Name of the cohort in every row of results.
    baselines
        Simple measurements by name, oriented to rise with fracture; (n,) each.
    """

    patient: NDArray[np.str_]
    is_fracture: BoolArray
    t_score: FloatArray
    names: tuple[str, ...]
    features: FloatArray
    repeats: FloatArray | None
    cohort: str
    baselines: Mapping[str, FloatArray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One split with its fitted pipeline and scores.

    Parameters
    ----------
    r_score : (n,)
        R-score of all vertebrae; rises with fracture.
    """

    unit: Unit
    train: IndexArray
    test: IndexArray
    chain: Pipeline
    r_score: FloatArray


def read_features(
    file: Path, repeats: Sequence[Path] = (), *, cohort: str = VIRTUAL
) -> FeatureTable:
    """Read the table and its repeats; rows are matched by patient and level.

    Raises
    ------
    UnusableSample
        A column, a value or a repeated vertebra is missing.
    """
    needed = ("patient", "level")
    keys, names, features = read_feature_rows(file, KEYS, needed=needed)
    order = [(one["patient"], one["level"]) for one in keys]
    again = []
    for other in repeats:
        other_keys, other_names, values = read_feature_rows(other, KEYS, needed=needed)
        where = {(one["patient"], one["level"]): i for i, one in enumerate(other_keys)}
        missing = [one for one in order if one not in where]
        if missing or other_names != names:
            raise UnusableSample(
                f"{other.name} lacks {len(missing)} vertebrae or has other features",
                f"the rows and columns of {file.name}",
            )
        again.append(values[[where[one] for one in order]])
    try:
        is_fracture = np.array([{"0": False, "1": True}[one["is_fracture"]] for one in keys])
        t_score = np.array([float(one["t_score"]) for one in keys])
    except (KeyError, ValueError) as error:
        raise UnusableSample(f"{file.name}: {error}", "is_fracture 0 or 1, t_score") from error
    return FeatureTable(
        patient=np.array([one["patient"] for one in keys]),
        is_fracture=is_fracture,
        t_score=t_score,
        names=names,
        features=features,
        repeats=np.stack(again, axis=1) if again else None,
        cohort=cohort,
    )


def run_split(table: FeatureTable, unit: Unit, seed: int, *, folds: int = FOLDS) -> Scored:
    """Split the rows, select and fit on the training rows, score all rows."""
    if unit == "vertebra":
        train, test = train_test_split(
            np.arange(len(table.is_fracture)),
            test_size=TEST_SHARE,
            stratify=table.is_fracture,
            random_state=seed,
        )
    else:
        (found,) = repeated_splits(
            table.patient, table.is_fracture, test_share=TEST_SHARE, repeats=1, seed=seed
        )
        train, test = found
    chain = fit_chain(table, np.sort(train), unit, folds=folds, seed=seed)
    return Scored(
        unit=unit,
        train=np.sort(train),
        test=np.sort(test),
        chain=chain,
        r_score=chain.decision_function(table.features),
    )


def fit_chain(
    table: FeatureTable, rows: IndexArray, unit: Unit, *, folds: int, seed: int
) -> Pipeline:
    """Fit the study's selection and LASSO; inner folds are by the unit of the split."""
    by_patient, repeats = unit == "patient", table.repeats
    with config_context(enable_metadata_routing=True):
        chain = rscore_chain(repeats=repeats is not None, groups=by_patient)
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        chain.set_params(lasso__cv=splitter if by_patient else folds)
        routed: dict[str, NDArray[Any]] = {"groups": table.patient[rows]} if by_patient else {}
        if repeats is not None:
            routed["repeats"] = repeats[rows]
        return chain.fit(table.features[rows], table.is_fracture[rows], **routed)


def split_rows(table: FeatureTable, scored: Scored) -> list[Row]:
    """All results of one split."""
    cohort = f"{table.cohort}, split by {scored.unit}"
    rows = []
    for part, index in (("train", scored.train), ("test", scored.test)):
        truth, patient = table.is_fracture[index], table.patient[index]
        scores = _scores(table, scored)
        for name, score in scores.items():
            area = _interval(scored.unit, truth, score[index], patient)
            beside = auc(truth, scores["t_score"][index]) if name == "r_score" else None
            rows.append(
                row(
                    STUDY_2[f"auc_{name}_{part}"],
                    area,
                    n=len(index),
                    cohort=cohort,
                    baseline=beside,
                )
            )
        rows += [
            row(
                f"AUC {name}, {part}, vertebrae",
                _interval(scored.unit, truth, score[index], patient),
                n=len(index),
                cohort=cohort,
            )
            for name, score in table.baselines.items()
        ]
        pair = scores["r_score"][index], scores["t_score"][index]
        tests = (
            (STUDY_2[f"delong_p_{part}"], delong_test(truth, *pair)),
            (
                f"Obuchowski P, R-score against T-score, {part}",
                clustered_test(truth, *pair, patient),
            ),
        )
        rows += [row(words, found.p, n=len(index), cohort=cohort) for words, found in tests]
    return rows + _operating_points(table, scored, cohort) + _steps(table, scored, cohort)


def _scores(table: FeatureTable, scored: Scored) -> dict[str, FloatArray]:
    """Scores by name; each rises with fracture."""
    return {
        "osteoporosis": (table.t_score <= OSTEOPOROSIS_T).astype(np.float64),
        "t_score": -table.t_score,
        "r_score": scored.r_score,
    }


def _interval(
    unit: Unit, truth: BoolArray, score: FloatArray, patient: NDArray[np.str_]
) -> Estimate:
    if unit == "vertebra":
        return delong_interval(truth, score)
    return clustered_interval(truth, score, patient)


def _operating_points(table: FeatureTable, scored: Scored, cohort: str) -> list[Row]:
    """Results of the test part at the training cut in percent; fracture is the positive class."""
    rows = []
    right = {"r_score": (74.1, 95.6, 83.8), "t_score": (74.1, 80.0, 76.8)}
    for name, printed in right.items():
        score = _scores(table, scored)[name]
        cut = youden_cut(table.is_fracture[scored.train], score[scored.train])
        counts = counts_at(table.is_fracture[scored.test], score[scored.test], cut)
        for (word, estimate), value in zip(_measures(counts), printed, strict=True):
            words = name.replace("_", "-")
            published = Published(
                key=f"{word}_{name}_right",
                metric=f"{words}: {word} for fracture, test, %",
                value=value,
                source="Table 2, classes put right (docs/domain.md B1, B2)",
            )
            rows.append(row(published, estimate, n=estimate.n, cohort=cohort))
        rows += [
            row(
                f"{name.replace('_', '-')}: {word} for fracture, test, %, Wilson",
                estimate,
                n=estimate.n,
                cohort=cohort,
            )
            for word, estimate in _measures(counts, wilson)
        ]
    return rows


def _measures(
    counts: BinaryCounts, interval: IntervalMethod = clopper_pearson
) -> tuple[tuple[str, Estimate], ...]:
    found = (
        ("sensitivity", counts.sensitivity(interval)),
        ("specificity", counts.specificity(interval)),
        ("accuracy", counts.accuracy(interval)),
    )
    return tuple(
        (
            word,
            replace(one, value=100 * one.value, ci_low=100 * one.ci_low, ci_high=100 * one.ci_high),
        )
        for word, one in found
    )


def _steps(table: FeatureTable, scored: Scored, cohort: str) -> list[Row]:
    """Number of features after each step."""
    chain, n = scored.chain, len(scored.train)
    lasso = chain["lasso"]
    counts = {
        "features_mrmr": len(chain["mrmr"].ranking_),
        "features_lasso": int(np.count_nonzero(lasso.coef_)),
    }
    if table.repeats is not None:
        counts = {"features_icc": int(chain["icc"].get_support().sum()), **counts}
    rows = [row(STUDY_2[key], float(count), n=n, cohort=cohort) for key, count in counts.items()]
    return [*rows, row(STUDY_2["lambda"], lasso.lambda_, n=n, cohort=cohort)]


def selected(table: FeatureTable, scored: Scored) -> dict[str, float]:
    """Features of the R-score and their coefficients C_i, for z-scored values."""
    names = scored.chain[:-1].get_feature_names_out(np.array(table.names))
    return {
        str(name): float(weight)
        for name, weight in zip(names, scored.chain["lasso"].coef_[0], strict=True)
        if weight != 0
    }


def leakage(table: FeatureTable, *, splits: int, seed: int, folds: int = FOLDS) -> list[Row]:
    """Test AUC of the R-score over many splits of both kinds, and their difference."""
    areas: dict[Unit, list[float]] = {"vertebra": [], "patient": []}
    for unit, found in areas.items():
        for number in range(splits):
            scored = run_split(table, unit, seed + number, folds=folds)
            found.append(auc(table.is_fracture[scored.test], scored.r_score[scored.test]))
    n, cohort = len(table.is_fracture), f"{table.cohort}, {splits} splits"
    rows = [
        row(f"AUC R-score, test, split by {unit}", central(found), n=n, cohort=cohort)
        for unit, found in areas.items()
    ]
    difference = np.subtract(areas["vertebra"], areas["patient"])
    name = "leakage: AUC split by vertebra minus by patient"
    return [*rows, row(name, central(difference), n=n, cohort=cohort)]


def draw(table: FeatureTable, scored: Scored, folder: Path) -> None:
    """Draw ROC, violins, confusion, calibration and decision curves of the test part."""
    cohort = f"{table.cohort}, split by {scored.unit}, test"
    train, test = scored.train, scored.test
    truth = table.is_fracture
    scores = _scores(table, scored)
    names = {"R-score": "r_score", "T-score": "t_score"}
    curves = {name: (truth[test], scores[key][test]) for name, key in names.items()}
    curves["T <= -2.5"] = (truth[test], scores["osteoporosis"][test])
    curves |= {name: (truth[test], score[test]) for name, score in table.baselines.items()}
    figures.roc(curves, folder / f"roc_{scored.unit}.png", cohort=cohort)
    to_probability = fit_probability(truth[train], scores["t_score"][train])
    probabilities = {
        "R-score": (truth[test], scored.chain.predict_proba(table.features[test])[:, 1]),
        "T-score": (truth[test], to_probability(scores["t_score"][test])),
    }
    figures.calibration_plot(
        probabilities, folder / f"calibration_{scored.unit}.png", cohort=cohort
    )
    figures.decision_curves(probabilities, folder / f"decision_{scored.unit}.png", cohort=cohort)
    groups = {
        "fracture": scored.r_score[test][truth[test]],
        "no fracture": scored.r_score[test][~truth[test]],
    }
    figures.violins(groups, folder / f"violin_{scored.unit}.png", quantity="R-score", cohort=cohort)
    cut = youden_cut(truth[train], scored.r_score[train])
    matrix = confusion_matrix(truth[test], scored.r_score[test] >= cut, 2)
    figures.confusion(
        matrix, ["no fracture", "fracture"], folder / f"confusion_{scored.unit}.png", cohort=cohort
    )


def run_study(
    table: FeatureTable,
    folder: Path | None,
    *,
    splits: int = SPLITS,
    folds: int = FOLDS,
    seed: int = SEED,
) -> tuple[list[Row], list[str]]:
    """Run both splits and measure the leakage.

    Parameters
    ----------
    folder
        Folder for pictures; ``None`` draws none.
    splits
        Number of further splits for the leakage; 0 skips it.

    Returns
    -------
    rows
    notes
        Features of each R-score.
    """
    rows: list[Row] = []
    notes = []
    units: tuple[Unit, ...] = ("vertebra", "patient")
    for unit in units:
        scored = run_split(table, unit, seed, folds=folds)
        rows += split_rows(table, scored)
        if folder is not None:
            draw(table, scored, folder)
        chosen = ", ".join(
            f"{name} {weight:+.3f}" for name, weight in selected(table, scored).items()
        )
        notes.append(f"{table.cohort}, split by {unit}: R-score of {chosen or 'no feature'}.")
    if splits:
        rows += leakage(table, splits=splits, seed=seed, folds=folds)
    if table.repeats is None:
        notes.append("The ICC step was skipped, since there are no repeated segmentations.")
    return rows, notes


def main() -> None:
    """Run both splits, print and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--repeats", type=Path, nargs="*", default=[])
    parser.add_argument("--on", default=VIRTUAL, help="name of the cohort in every row")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--splits", type=int, default=SPLITS, help="splits for the leakage")
    parser.add_argument("--folds", type=int, default=FOLDS, help="folds of the LASSO")
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args()
    watch = Stopwatch(module="training.study2.r_score", seed=args.seed)
    table = read_features(args.features, args.repeats, cohort=args.on)
    rows, notes = run_study(table, args.out, splits=args.splits, folds=args.folds, seed=args.seed)
    result = StudyTable(
        study="Study 2, R-score", run=watch.stop(), rows=rows, notes=[*NOTES, *notes]
    )
    print(markdown(result))
    write_table(result, args.out)


if __name__ == "__main__":
    main()
