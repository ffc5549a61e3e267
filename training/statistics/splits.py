"""Split data by patient, so that vertebrae of one patient are never in both parts.

For folds use scikit-learn's ``StratifiedGroupKFold`` with the patient as group.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.model_selection import StratifiedShuffleSplit

from training.statistics.errors import UnusableSample
from training.statistics.groups import standardized_difference
from training.statistics.sample import FloatArray, IndexArray, finite, same_length

CANDIDATES = 1000
"""Number of random splits; the most balanced one is kept (docs/domain.md 1.A)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Row numbers of the two parts, sorted.

    Parameters
    ----------
    largest_difference
        Maximum absolute standardised difference of the covariates.
    """

    train: IndexArray
    test: IndexArray
    largest_difference: float


def balanced_split(
    strata: ArrayLike,
    covariates: ArrayLike,
    *,
    test_share: float = 0.3,
    candidates: int = CANDIDATES,
    seed: int = 0,
) -> Split:
    """Return the most balanced of many random splits within the strata; one row per patient.

    Parameters
    ----------
    strata : (patients,) or (patients, k)
        Variables with equal shares in both parts: class, sex, age tertile. The number of test
        patients of each stratum is rounded so that the sum is correct (largest remainder).
    covariates : (patients, k)
        Variables to balance in addition: age, height, weight, BMI.

    Raises
    ------
    UnusableSample
        The share leaves one part empty.
    """
    values = finite("covariates", covariates, ndim=2)
    labels = np.asarray(strata).reshape(len(values), -1)
    groups = np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1)
    wanted = _test_counts(np.bincount(groups), test_share)
    members = [np.flatnonzero(groups == g) for g in range(len(wanted))]
    draws = np.random.default_rng(seed)
    best: Split | None = None
    for _ in range(candidates):
        test = np.concatenate(
            [
                draws.choice(rows, size, replace=False)
                for rows, size in zip(members, wanted, strict=True)
            ]
        )
        is_test = np.zeros(len(values), bool)
        is_test[test] = True
        worst = _largest_difference(values[~is_test], values[is_test])
        if best is None or worst < best.largest_difference:
            best = Split(
                train=np.flatnonzero(~is_test),
                test=np.flatnonzero(is_test),
                largest_difference=worst,
            )
    if best is None:
        raise UnusableSample(f"{candidates} candidates", "at least one")
    return best


def repeated_splits(
    patients: ArrayLike,
    positive: ArrayLike,
    *,
    test_share: float = 0.2,
    repeats: int = 200,
    seed: int = 0,
) -> Iterator[tuple[IndexArray, IndexArray]]:
    """Yield random splits by patient with equal shares of cases and controls.

    Parameters
    ----------
    patients : (rows,)
        Patient of each row.
    positive : (rows,) 0 or 1
        A patient with any positive row is a case.

    Yields
    ------
    Row numbers of the training and the test part.
    """
    names, index = np.unique(np.asarray(patients), return_inverse=True)
    labels = np.asarray(positive, bool)
    same_length("positive", labels, len(index))
    is_case = np.zeros(len(names), bool)
    np.logical_or.at(is_case, index, labels)
    splitter = StratifiedShuffleSplit(repeats, test_size=test_share, random_state=seed)
    for train, test in splitter.split(names, is_case):
        yield np.flatnonzero(np.isin(index, train)), np.flatnonzero(np.isin(index, test))


def _test_counts(sizes: IndexArray, share: float) -> list[int]:
    """Return test counts per stratum; their sum is the rounded share of all."""
    total = round(share * int(sizes.sum()))
    if not 0 < total < sizes.sum():
        raise UnusableSample(f"test share {share:g} of {sizes.sum()} patients", "both parts filled")
    exact = sizes * share
    counts = np.floor(exact).astype(np.intp)
    order = np.argsort(-(exact - counts), kind="stable")
    counts[order[: total - int(counts.sum())]] += 1
    return [int(count) for count in counts]


def _largest_difference(first: FloatArray, second: FloatArray) -> float:
    return max(abs(standardized_difference(a, b)) for a, b in zip(first.T, second.T, strict=True))
