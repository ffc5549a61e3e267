"""Area under the ROC curve with DeLong's variance.

Source: DeLong, DeLong, Clarke-Pearson, Biometrics 1988;44:837; computed from midranks as in Sun
and Xu, IEEE Signal Processing Letters 2014;21:1389.
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata, t

from training.statistics.errors import UnusableSample
from training.statistics.estimate import LEVEL, Comparison, Estimate, normal_test, wald
from training.statistics.sample import BoolArray, FloatArray, binary

AREA_BOUNDS = (0.0, 1.0)


def auc(truth: ArrayLike, score: ArrayLike) -> float:
    """Return the area under the ROC curve: P(score of a positive > score of a negative case).

    Parameters
    ----------
    truth : (n,) 0 or 1
    score : (n,)
        Higher for the positive class; ties count one half.
    """
    positive, (values,) = binary(truth, score)
    return float(placements(positive, values)[0].mean())


def placements(positive: BoolArray, score: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the structural components of the area.

    Returns
    -------
    of_positives : (m,)
        For each positive case, the share of negatives below it.
    of_negatives : (n,)
        For each negative case, the share of positives above it. Ties count one half in both.
    """
    cases, controls = score[positive], score[~positive]
    among_all = rankdata(np.concatenate([cases, controls]))
    of_positives = (among_all[: len(cases)] - rankdata(cases)) / len(controls)
    of_negatives = 1 - (among_all[len(cases) :] - rankdata(controls)) / len(cases)
    return of_positives, of_negatives


def covariance(positive: BoolArray, scores: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Return areas of k scores on the same cases, and their covariance.

    Returns
    -------
    areas : (k,)
    covariance : (k, k)

    Raises
    ------
    UnusableSample
        A class has fewer than two cases.
    """
    fewest = min(np.count_nonzero(positive), np.count_nonzero(~positive))
    if fewest < 2:
        raise UnusableSample(f"{fewest} cases in a class", "two or more, for a variance")
    parts = [placements(positive, score) for score in scores]
    of_positives = np.stack([part[0] for part in parts])
    of_negatives = np.stack([part[1] for part in parts])
    spread = np.cov(of_positives) / of_positives.shape[1]
    spread = spread + np.cov(of_negatives) / of_negatives.shape[1]
    return of_positives.mean(axis=1), np.atleast_2d(spread)


def delong_interval(truth: ArrayLike, score: ArrayLike, *, level: float = LEVEL) -> Estimate:
    """Area under the ROC curve with DeLong's interval."""
    positive, values = binary(truth, score)
    areas, spread = covariance(positive, values)
    error = math.sqrt(spread[0, 0])
    return wald(float(areas[0]), error, len(positive), level=level, bounds=AREA_BOUNDS)


def delong_test(
    truth: ArrayLike, first: ArrayLike, second: ArrayLike, *, level: float = LEVEL
) -> Comparison:
    """Test two scores of the same cases: difference of areas, first minus second."""
    positive, values = binary(truth, first, second)
    areas, spread = covariance(positive, values)
    variance = float(spread[0, 0] + spread[1, 1] - 2 * spread[0, 1])
    return normal_test(float(areas[0] - areas[1]), math.sqrt(max(0.0, variance)), level=level)


def delong_test_unpaired(
    first: tuple[ArrayLike, ArrayLike], second: tuple[ArrayLike, ArrayLike], *, level: float = LEVEL
) -> Comparison:
    """Test the areas of two groups of different cases, each given as (truth, score).

    Uses the t distribution with Satterthwaite's degrees of freedom, as in pROC (Robin, BMC Bioinformatics
    2011;12:77).
    """
    areas, parts = [], []
    for truth, score in (first, second):
        positive, (values,) = binary(truth, score)
        covariance(positive, [values])  # raises if there is no variance
        of_positives, of_negatives = placements(positive, values)
        areas.append(of_positives.mean())
        parts.append(
            of_positives.var(ddof=1) / len(of_positives)
            + of_negatives.var(ddof=1) / len(of_negatives)
        )
    sizes = [len(np.asarray(group[0])) for group in (first, second)]
    variance = sum(parts)
    freedom = variance**2 / sum(
        part**2 / (size - 1) for part, size in zip(parts, sizes, strict=True)
    )
    error = math.sqrt(variance)
    difference = float(areas[0] - areas[1])
    half = t.ppf(0.5 + level / 2, freedom) * error
    return Comparison(
        difference=difference,
        standard_error=error,
        ci_low=difference - half,
        ci_high=difference + half,
        statistic=difference / error,
        degrees_of_freedom=float(freedom),
        p=float(2 * t.sf(abs(difference / error), freedom)),
    )
