"""Intraclass correlation of single ratings, for many features at once.

Source: Shrout and Fleiss, Psychol Bull 1979;86:420; interval by McGraw and Wong, Psychol Methods
1996;1:30.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import f

from training.statistics.errors import UnusableSample
from training.statistics.estimate import LEVEL, Estimate
from training.statistics.sample import FloatArray, finite


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanSquares:
    """Two-way analysis of variance without replication; each (features,)."""

    subjects: FloatArray
    raters: FloatArray
    error: FloatArray
    n: int
    k: int


def icc_2_1(ratings: ArrayLike) -> FloatArray:
    """ICC(2,1): two-way random effects, absolute agreement, single rating.

    Parameters
    ----------
    ratings : (subjects, raters, features)

    Returns
    -------
    (features,)
        0 for a constant feature, which does not distinguish subjects.
    """
    squares = mean_squares(ratings)
    k, n = squares.k, squares.n
    below = squares.subjects + (k - 1) * squares.error + k / n * (squares.raters - squares.error)
    return _ratio(squares.subjects - squares.error, below)


def icc_3_1(ratings: ArrayLike) -> FloatArray:
    """ICC(3,1): two-way mixed effects, consistency, single rating; shapes as in `icc_2_1`."""
    squares = mean_squares(ratings)
    below = squares.subjects + (squares.k - 1) * squares.error
    return _ratio(squares.subjects - squares.error, below)


def icc_2_1_interval(ratings: ArrayLike, *, level: float = LEVEL) -> Estimate:
    """ICC(2,1) of one feature, ratings (subjects, raters), with its interval."""
    table = finite("ratings", ratings, ndim=2)
    squares = mean_squares(table[:, :, None])
    n, k = squares.n, squares.k
    ms_r, ms_c, ms_e = (
        float(part[0]) for part in (squares.subjects, squares.raters, squares.error)
    )
    icc = float(icc_2_1(table[:, :, None])[0])
    if ms_e <= 0 or icc >= 1:
        return Estimate(value=icc, standard_error=0.0, ci_low=icc, ci_high=icc, n=n)
    a = k * icc / (n * (1 - icc))
    b = 1 + k * icc * (n - 1) / (n * (1 - icc))
    freedom = (a * ms_c + b * ms_e) ** 2 / (
        (a * ms_c) ** 2 / (k - 1) + (b * ms_e) ** 2 / ((n - 1) * (k - 1))
    )
    f_low = f.ppf(0.5 + level / 2, n - 1, freedom)
    f_high = f.ppf(0.5 + level / 2, freedom, n - 1)
    rest = k * ms_c + (k * n - k - n) * ms_e
    return Estimate(
        value=icc,
        standard_error=float("nan"),
        ci_low=float(n * (ms_r - f_low * ms_e) / (f_low * rest + n * ms_r)),
        ci_high=float(n * (f_high * ms_r - ms_e) / (rest + n * f_high * ms_r)),
        n=n,
    )


def mean_squares(ratings: ArrayLike) -> MeanSquares:
    """Mean squares of subjects, raters and error.

    Raises
    ------
    UnusableSample
        There are fewer than two subjects or two raters.
    """
    table = finite("ratings", ratings, ndim=3)
    n, k, _ = table.shape
    if n < 2 or k < 2:
        raise UnusableSample(f"{n} subjects rated by {k}", "two or more of each")
    centred = table - table.mean(axis=(0, 1))
    by_subject, by_rater = centred.mean(axis=1), centred.mean(axis=0)
    error = centred - by_subject[:, None] - by_rater[None]
    return MeanSquares(
        subjects=k * (by_subject**2).sum(axis=0) / (n - 1),
        raters=n * (by_rater**2).sum(axis=0) / (k - 1),
        error=(error**2).sum(axis=(0, 1)) / ((n - 1) * (k - 1)),
        n=n,
        k=k,
    )


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
