"""Confusion matrices: sensitivity to accuracy of each class, and weighted kappa."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import confusion_matrix
from statsmodels.stats.inter_rater import cohens_kappa

from training.statistics.errors import UnusableSample
from training.statistics.estimate import Estimate
from training.statistics.proportions import wilson

CountMatrix = NDArray[np.int64]
IntervalMethod = Callable[[int, int], Estimate]


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryCounts:
    """A two by two table; each measure is a proportion with its interval.

    The measures raise `UnusableSample` if the denominator is 0.
    """

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    def sensitivity(self, interval: IntervalMethod = wilson) -> Estimate:
        """Share of positive cases with a positive prediction."""
        return interval(self.true_positive, self.true_positive + self.false_negative)

    def specificity(self, interval: IntervalMethod = wilson) -> Estimate:
        """Share of negative cases with a negative prediction."""
        return interval(self.true_negative, self.true_negative + self.false_positive)

    def positive_predictive_value(self, interval: IntervalMethod = wilson) -> Estimate:
        """Share of correct positive predictions."""
        return interval(self.true_positive, self.true_positive + self.false_positive)

    def negative_predictive_value(self, interval: IntervalMethod = wilson) -> Estimate:
        """Share of correct negative predictions."""
        return interval(self.true_negative, self.true_negative + self.false_negative)

    def accuracy(self, interval: IntervalMethod = wilson) -> Estimate:
        """Share of correct predictions."""
        return interval(self.true_positive + self.true_negative, self.total)

    @property
    def total(self) -> int:
        """Number of cases."""
        return self.true_positive + self.false_positive + self.false_negative + self.true_negative


def counts(truth: ArrayLike, predicted: ArrayLike, classes: int) -> CountMatrix:
    """Confusion matrix, rows truth, columns prediction, both numbered from 0.

    Returns
    -------
    (classes, classes) int
    """
    return np.asarray(confusion_matrix(truth, predicted, labels=range(classes)), np.int64)


def binary_counts(truth: ArrayLike, predicted: ArrayLike) -> BinaryCounts:
    """Return the two by two table of 0 and 1."""
    (tn, fp), (fn, tp) = counts(truth, predicted, 2).tolist()
    return BinaryCounts(true_positive=tp, false_positive=fp, false_negative=fn, true_negative=tn)


def class_counts(matrix: ArrayLike) -> tuple[BinaryCounts, ...]:
    """Return the counts of each class of a confusion matrix against all others."""
    table = _checked(matrix)
    right, rows, columns = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    return tuple(
        BinaryCounts(
            true_positive=int(tp),
            false_positive=int(column - tp),
            false_negative=int(row - tp),
            true_negative=int(table.sum() - row - column + tp),
        )
        for tp, row, column in zip(right, rows, columns, strict=True)
    )


def overall_accuracy(matrix: ArrayLike, interval: IntervalMethod = wilson) -> Estimate:
    """Share of cases on the diagonal."""
    table = _checked(matrix)
    return interval(int(np.trace(table)), int(table.sum()))


def weighted_kappa(matrix: ArrayLike) -> Estimate:
    """Cohen's kappa with quadratic weights (Fleiss and Cohen 1973), by statsmodels."""
    table = _checked(matrix)
    result = cohens_kappa(table, wt="fc")
    return Estimate(
        value=float(result.kappa),
        standard_error=float(result.std_kappa),
        ci_low=float(result.kappa_low),
        ci_high=float(result.kappa_upp),
        n=int(table.sum()),
    )


def _checked(matrix: ArrayLike) -> CountMatrix:
    table = np.asarray(matrix)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or (table < 0).any():
        raise UnusableSample(f"confusion matrix of shape {table.shape}", "square, counts")
    return table.astype(np.int64)
