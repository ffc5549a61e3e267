"""Agreement of two measurements of one quantity: correlation, errors, Bland-Altman."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import linregress, norm, pearsonr, t

from training.statistics.errors import UnusableSample
from training.statistics.estimate import LEVEL, Estimate
from training.statistics.sample import FloatArray, finite, same_length


@dataclass(frozen=True, slots=True, kw_only=True)
class BlandAltman:
    """Differences (measured minus reference) against means.

    Parameters
    ----------
    lower, upper
        Limits of agreement, bias -/+ 1.96 SD, each with its interval.
    slope
        Slope of the difference on the mean: a proportional bias if its interval excludes 0.
    """

    bias: Estimate
    lower: Estimate
    upper: Estimate
    slope: Estimate
    slope_p: float
    standard_deviation: float


def pearson(measured: ArrayLike, reference: ArrayLike, *, level: float = LEVEL) -> Estimate:
    """Pearson's r with Fisher's interval."""
    a, b = _pair(measured, reference)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        raise UnusableSample("one of the two measurements is constant", "spread in both")
    result = pearsonr(a, b)
    interval = result.confidence_interval(level)
    return Estimate(
        value=float(result.statistic),
        standard_error=math.nan,
        ci_low=float(interval.low),
        ci_high=float(interval.high),
        n=len(a),
    )


def mean_absolute_error(measured: ArrayLike, reference: ArrayLike) -> float:
    """MAE, in the unit of the measurement."""
    a, b = _pair(measured, reference)
    return float(np.abs(a - b).mean())


def root_mean_square_error(measured: ArrayLike, reference: ArrayLike) -> float:
    """RMSE, in the unit of the measurement."""
    a, b = _pair(measured, reference)
    return float(np.sqrt(np.mean((a - b) ** 2)))


def concordance(measured: ArrayLike, reference: ArrayLike, *, level: float = LEVEL) -> Estimate:
    """Lin's concordance correlation with the interval of its Fisher transform.

    Source: Lin, Biometrics 1989;45:255 and 2000;56:324 (variances with n as divisor).
    """
    a, b = _pair(measured, reference)
    r = pearson(a, b).value
    shift2 = (a.mean() - b.mean()) ** 2 / (a.std() * b.std())
    ccc = 2 * np.cov(a, b, ddof=0)[0, 1] / (a.var() + b.var() + (a.mean() - b.mean()) ** 2)
    if abs(ccc) >= 1 - 1e-12 or abs(r) < 1e-12:
        return Estimate(
            value=float(ccc), standard_error=0.0, ci_low=float(ccc), ci_high=float(ccc), n=len(a)
        )
    variance = (
        (1 - r**2) * ccc**2 / ((1 - ccc**2) * r**2)
        + 2 * ccc**3 * (1 - ccc) * shift2 / (r * (1 - ccc**2) ** 2)
        - ccc**4 * shift2**2 / (2 * r**2 * (1 - ccc**2) ** 2)
    ) / (len(a) - 2)
    half = norm.ppf(0.5 + level / 2) * math.sqrt(variance)
    centre = math.atanh(ccc)
    return Estimate(
        value=float(ccc),
        standard_error=math.sqrt(variance) * (1 - ccc**2),
        ci_low=math.tanh(centre - half),
        ci_high=math.tanh(centre + half),
        n=len(a),
    )


def bland_altman(measured: ArrayLike, reference: ArrayLike, *, level: float = LEVEL) -> BlandAltman:
    """Bias, limits of agreement and proportional bias.

    Source: Bland and Altman, Lancet 1986;i:307 (interval of the limits: variance 3 s2/n) and Stat
    Methods Med Res 1999;8:135.
    """
    a, b = _pair(measured, reference)
    difference, mean, n = a - b, (a + b) / 2, len(a)
    bias, spread = float(difference.mean()), float(difference.std(ddof=1))
    wide = float(t.ppf(0.5 + level / 2, n - 1))

    def around(value: float, error: float, times: float = wide) -> Estimate:
        return Estimate(
            value=value,
            standard_error=error,
            ci_low=value - times * error,
            ci_high=value + times * error,
            n=n,
        )

    limit_error = math.sqrt(3 / n) * spread
    fit = linregress(mean, difference)
    return BlandAltman(
        bias=around(bias, spread / math.sqrt(n)),
        lower=around(bias - 1.96 * spread, limit_error),
        upper=around(bias + 1.96 * spread, limit_error),
        slope=around(float(fit.slope), float(fit.stderr), float(t.ppf(0.5 + level / 2, n - 2))),
        slope_p=float(fit.pvalue),
        standard_deviation=spread,
    )


def _pair(measured: ArrayLike, reference: ArrayLike) -> tuple[FloatArray, FloatArray]:
    a, b = finite("measured", measured), finite("reference", reference)
    same_length("reference", b, len(a))
    if len(a) < 3:
        raise UnusableSample(f"{len(a)} pairs", "three or more")
    return a, b
