"""Confidence intervals of a proportion, in the two forms that the studies use.

Source: Wilson, JASA 1927;22:209; Clopper and Pearson, Biometrika 1934;26:404 (both in scipy).
"""

import math
from typing import Literal

from scipy.stats import binomtest

from training.statistics.errors import UnusableSample
from training.statistics.estimate import LEVEL, Estimate


def wilson(successes: int, trials: int, *, level: float = LEVEL) -> Estimate:
    """Wilson's score interval, without continuity correction."""
    return _interval(successes, trials, "wilson", level)


def clopper_pearson(successes: int, trials: int, *, level: float = LEVEL) -> Estimate:
    """Exact interval. Study 3 uses it under the name of Wilson (docs/domain.md D1)."""
    return _interval(successes, trials, "exact", level)


def _interval(
    successes: int, trials: int, method: Literal["exact", "wilson"], level: float
) -> Estimate:
    if not 0 <= successes <= trials or trials == 0:
        raise UnusableSample(f"{successes} of {trials}", "a part of at least one trial")
    share = successes / trials
    interval = binomtest(successes, trials).proportion_ci(level, method=method)
    error = math.sqrt(share * (1 - share) / trials) if method == "wilson" else math.nan
    return Estimate(
        value=share,
        standard_error=error,
        ci_low=float(interval.low),
        ci_high=float(interval.high),
        n=trials,
    )
