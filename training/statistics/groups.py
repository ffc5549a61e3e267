"""Tests for differences between groups, from data or from a published table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2_contingency, f

from training.statistics.errors import UnusableSample
from training.statistics.sample import finite


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTest:
    """Statistic (F or chi-squared) and its p."""

    statistic: float
    p: float


def anova(
    means: Sequence[float], standard_deviations: Sequence[float], sizes: Sequence[int]
) -> GroupTest:
    """One-way analysis of variance from the means, SDs and sizes of a table."""
    m, s, n = (np.asarray(part, float) for part in (means, standard_deviations, sizes))
    if not len(m) == len(s) == len(n) >= 2 or (n < 2).any():
        raise UnusableSample(f"{len(m)} means of {sizes}", "two groups of two or more")
    total, groups = n.sum(), len(n)
    between = (n * (m - (n * m).sum() / total) ** 2).sum() / (groups - 1)
    within = ((n - 1) * s**2).sum() / (total - groups)
    value = between / within
    return GroupTest(statistic=float(value), p=float(f.sf(value, groups - 1, total - groups)))


def chi_squared(table: ArrayLike) -> GroupTest:
    """Pearson's chi-squared of a table of counts, without Yates' correction, by scipy."""
    result = chi2_contingency(np.asarray(table, np.int64), correction=False)
    return GroupTest(statistic=float(result.statistic), p=float(result.pvalue))


def standardized_difference(first: ArrayLike, second: ArrayLike) -> float:
    """Difference of two means over the pooled standard deviation (Austin 2009); 0 if both agree.

    Infinite if the means differ and the variance is 0.
    """
    a, b = finite("first", first), finite("second", second)
    spread = np.sqrt((a.var(ddof=min(1, len(a) - 1)) + b.var(ddof=min(1, len(b) - 1))) / 2)
    difference = a.mean() - b.mean()
    if spread == 0:
        return 0.0 if difference == 0 else float(np.copysign(np.inf, difference))
    return float(difference / spread)
