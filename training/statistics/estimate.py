"""Result types of the statistics: a value with its interval, a comparison with its test."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

LEVEL = 0.95
"""Confidence level of every interval unless stated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value and its confidence interval.

    Parameters
    ----------
    standard_error
        ``nan`` if the interval does not use one (Clopper-Pearson).
    n
        Number of observations.
    """

    value: float
    standard_error: float
    ci_low: float
    ci_high: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A difference, its interval and its test.

    Parameters
    ----------
    statistic
        z, or t if ``degrees_of_freedom`` is finite.
    p
        Two-sided.
    """

    difference: float
    standard_error: float
    ci_low: float
    ci_high: float
    statistic: float
    degrees_of_freedom: float
    p: float


def wald(
    value: float,
    standard_error: float,
    n: int,
    *,
    level: float = LEVEL,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Estimate:
    """Return the symmetric normal interval, truncated at the ``bounds`` of the quantity."""
    half = norm.ppf(0.5 + level / 2) * standard_error
    return Estimate(
        value=value,
        standard_error=standard_error,
        ci_low=max(bounds[0], value - half),
        ci_high=min(bounds[1], value + half),
        n=n,
    )


def central(values: ArrayLike, *, level: float = LEVEL) -> Estimate:
    """Return the mean and central part of simulated values; not an interval of the mean."""
    array = np.asarray(values, np.float64)
    low, high = np.quantile(array, [0.5 - level / 2, 0.5 + level / 2])
    return Estimate(
        value=float(array.mean()),
        standard_error=float(array.std(ddof=1)) if len(array) > 1 else math.nan,
        ci_low=float(low),
        ci_high=float(high),
        n=len(array),
    )


def normal_test(difference: float, standard_error: float, *, level: float = LEVEL) -> Comparison:
    """Two-sided z test of a difference; equal curves without variance have z = 0, p = 1."""
    half = norm.ppf(0.5 + level / 2) * standard_error
    if standard_error > 0:
        z = difference / standard_error
    else:
        z = 0.0 if difference == 0 else math.copysign(math.inf, difference)
    return Comparison(
        difference=difference,
        standard_error=standard_error,
        ci_low=difference - half,
        ci_high=difference + half,
        statistic=z,
        degrees_of_freedom=math.inf,
        p=float(2 * norm.sf(abs(z))),
    )
