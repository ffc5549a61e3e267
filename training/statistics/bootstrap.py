"""Bootstrap percentile intervals by resampling cases or whole patients.

``scipy.stats.bootstrap`` draws single cases, but vertebrae of one patient must be drawn together.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from training.statistics.clustered import cluster_index
from training.statistics.errors import UnusableSample
from training.statistics.estimate import LEVEL, Estimate
from training.statistics.sample import IndexArray

RESAMPLES = 2000
UNDEFINED_SHARE = 0.05
"""Maximum share of resamples without a value; with more the interval would be selective."""


def bootstrap(
    statistic: Callable[[IndexArray], float],
    n: int,
    *,
    clusters: ArrayLike | None = None,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Estimate:
    """Percentile interval of any statistic.

    Parameters
    ----------
    statistic
        Function from the row numbers of a resample to the figure. It raises `UnusableSample` if
        the figure is not defined, for example in a resample without fractures.
    clusters : (n,), optional
        Patient of each row; patients are drawn with all their rows.

    Raises
    ------
    UnusableSample
        The figure is not defined on the sample or on more than ``UNDEFINED_SHARE`` of the
        resamples.
    """
    draws = np.random.default_rng(seed)
    index = cluster_index(np.arange(n) if clusters is None else clusters, n)
    order = np.argsort(index, kind="stable")
    rows_of = np.split(order, np.flatnonzero(np.diff(index[order])) + 1)
    values = np.empty(resamples)
    for i in range(resamples):
        drawn = draws.integers(len(rows_of), size=len(rows_of))
        try:
            values[i] = statistic(np.concatenate([rows_of[j] for j in drawn]))
        except UnusableSample:
            values[i] = np.nan
    undefined = float(np.isnan(values).mean())
    if undefined > UNDEFINED_SHARE:
        raise UnusableSample(
            f"{undefined:.0%} of the resamples have no value", f"at most {UNDEFINED_SHARE:.0%}"
        )
    values = values[~np.isnan(values)]
    low, high = np.quantile(values, [0.5 - level / 2, 0.5 + level / 2])
    return Estimate(
        value=float(statistic(np.arange(n))),
        standard_error=float(values.std(ddof=1)),
        ci_low=float(low),
        ci_high=float(high),
        n=n,
    )
