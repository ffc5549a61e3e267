"""Baseline for every network: a straight line from mean HU to density.

A network that is not better has learned only the mean of its region (docs/domain.md C5).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr
from scipy.stats import linregress

from training.statistics.errors import UnusableSample
from training.statistics.sample import FloatArray, finite, same_length

QCT_CUTS_MG_CM3: Final = (80.0, 120.0)
T_SCORE_CUTS: Final = (-2.5, -1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanHuBaseline:
    """Density as a linear function of mean HU, fitted on training rows.

    Parameters
    ----------
    residual_sd
        SD of the density around the line.
    """

    slope: float
    intercept: float
    residual_sd: float

    def density(self, mean_hu: ArrayLike) -> FloatArray:
        """Return the density of each row, in the unit of the reference."""
        return np.asarray(self.slope * finite("mean HU", mean_hu) + self.intercept)

    def probabilities(self, mean_hu: ArrayLike, cuts: tuple[float, float]) -> FloatArray:
        """Return the class probabilities of each row, as in `class_probabilities`."""
        return class_probabilities(self.density(mean_hu), self.residual_sd, cuts)


def fit_baseline(mean_hu: ArrayLike, density: ArrayLike) -> MeanHuBaseline:
    """Fit the least-squares line.

    Raises
    ------
    UnusableSample
        There are fewer than three rows, or only one value of mean HU.
    """
    x, y = finite("mean HU", mean_hu), finite("density", density)
    same_length("density", y, len(x))
    if len(x) < 3 or np.ptp(x) == 0:
        raise UnusableSample(f"{len(x)} rows of mean HU {x.min():g} to {x.max():g}", "a spread")
    line = linregress(x, y)
    rest = y - (line.slope * x + line.intercept)
    return MeanHuBaseline(
        slope=float(line.slope),
        intercept=float(line.intercept),
        residual_sd=float(np.sqrt((rest**2).sum() / (len(x) - 2))),
    )


def class_probabilities(
    reading: ArrayLike, error_sd: float, cuts: tuple[float, float]
) -> FloatArray:
    """Return the probability of each class for a reading with a normal error.

    Parameters
    ----------
    reading : (n,)
        Density or T-score, in the unit of ``cuts``.
    cuts
        Lower and upper limit of osteopenia.

    Returns
    -------
    (n, 3)
        Normal, osteopenia, osteoporosis.
    """
    values = finite("reading", reading)
    if error_sd <= 0 or cuts[0] >= cuts[1]:
        raise UnusableSample(f"error {error_sd:g}, cuts {cuts}", "an error above 0, rising cuts")
    below = [ndtr((cut - values) / error_sd) for cut in cuts]
    return np.column_stack([1 - below[1], below[1] - below[0], below[0]])
