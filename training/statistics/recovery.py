"""Recover whole counts from rounded percentages, to check a published table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from training.statistics.confusion import BinaryCounts, CountMatrix
from training.statistics.errors import UnusableSample


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMeasures:
    """Printed measures of one class against the rest; ``None`` excludes a measure."""

    sensitivity: float
    specificity: float
    positive_predictive_value: float | None = None
    negative_predictive_value: float | None = None
    accuracy: float | None = None


def integer_counts(share: float, total: int, *, decimals: int = 3) -> tuple[int, ...]:
    """Return all k for which k / total rounds to ``share``; empty if the share is impossible."""
    return tuple(k for k in range(total + 1) if _rounds_to(k / total, share, decimals))


def recover_confusion(
    row_totals: Sequence[int], measures: Sequence[ClassMeasures], *, decimals: int = 3
) -> tuple[CountMatrix, ...]:
    """Return all three-class confusion matrices (rows truth) that round to ``measures``.

    With known rows and columns the off-diagonal counts have one free number; all values are tried.
    """
    if len(row_totals) != 3 or len(measures) != 3:
        raise UnusableSample(f"{len(row_totals)} classes", "three")
    candidates = [
        _candidates(size, sum(row_totals), printed, decimals)
        for size, printed in zip(row_totals, measures, strict=True)
    ]
    return tuple(
        matrix for combination in product(*candidates) for matrix in _matrices(combination)
    )


def _candidates(size: int, total: int, printed: ClassMeasures, decimals: int) -> list[BinaryCounts]:
    """Return the two by two tables of one class that round to the printed measures."""
    found = []
    for right in integer_counts(printed.sensitivity, size, decimals=decimals):
        for left_alone in integer_counts(printed.specificity, total - size, decimals=decimals):
            counts = BinaryCounts(
                true_positive=right,
                false_positive=total - size - left_alone,
                false_negative=size - right,
                true_negative=left_alone,
            )
            if _prints_as(counts, printed, decimals):
                found.append(counts)
    return found


def _prints_as(counts: BinaryCounts, printed: ClassMeasures, decimals: int) -> bool:
    pairs = (
        (counts.positive_predictive_value, printed.positive_predictive_value),
        (counts.negative_predictive_value, printed.negative_predictive_value),
        (counts.accuracy, printed.accuracy),
    )
    return all(
        stated is None or _rounds_to(measure().value, stated, decimals) for measure, stated in pairs
    )


def _matrices(classes: tuple[BinaryCounts, ...]) -> Iterator[CountMatrix]:
    missed = [one.false_negative for one in classes]
    wrongly = [one.false_positive for one in classes]
    for c01 in range(missed[0] + 1):
        c02, c21 = missed[0] - c01, wrongly[1] - c01
        c20 = missed[2] - c21
        c10 = wrongly[0] - c20
        c12 = missed[1] - c10
        if min(c02, c21, c20, c10, c12) >= 0 and c02 + c12 == wrongly[2]:
            a, b, c = (one.true_positive for one in classes)
            yield np.array([[a, c01, c02], [c10, b, c12], [c20, c21, c]], np.int64)


def _rounds_to(value: float, printed: float, decimals: int) -> bool:
    """Whether a value may round to the printed one; halves may round either way."""
    return abs(value - printed) <= 0.5 * 10.0**-decimals + 1e-9
