"""Calibration of predicted probabilities against observed shares.

Source: Van Calster et al., J Clin Epidemiol 2016;74:167 (slope, calibration in the large); Brier
1950. Logistic fits by statsmodels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss
from statsmodels.api import GLM, Logit, add_constant
from statsmodels.genmod.families import Binomial

from training.statistics.errors import UnusableSample
from training.statistics.estimate import LEVEL, Estimate, wald
from training.statistics.sample import BoolArray, FloatArray, binary, finite

NEAR_CERTAIN = 1e-6
"""Minimum distance of probabilities from 0 and 1 before the logit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Calibration of probabilities.

    Parameters
    ----------
    slope
        1 for perfect calibration; below 1 the probabilities are too extreme.
    intercept
        Calibration in the large (slope fixed at 1): 0 if perfect; below 0 they are too high.
    brier
        Mean squared error of the probability.
    """

    slope: Estimate
    intercept: Estimate
    brier: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityCurve:
    """Observed share against mean predicted probability, in bins of equal count; each (bins,)."""

    predicted: FloatArray
    observed: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreToProbability:
    """Logistic curve from a score to a probability, for example for the decision curve of a T-score."""

    intercept: float
    slope: float

    def __call__(self, score: ArrayLike) -> FloatArray:
        """Return the probability of each score."""
        return np.asarray(expit(self.intercept + self.slope * finite("score", score)))


def fit_probability(truth: ArrayLike, score: ArrayLike) -> ScoreToProbability:
    """Fit the curve on training rows (Platt 1999, without his change of the targets).

    Raises
    ------
    UnusableSample
        The score separates the classes, so no curve has the maximum likelihood.
    """
    positive, (values,) = binary(truth, score)
    _refuse_separated(positive, values)
    centre, spread = values.mean(), values.std()
    found = Logit(positive.astype(float), add_constant((values - centre) / spread)).fit(disp=0)
    slope = float(found.params[1]) / spread
    return ScoreToProbability(intercept=float(found.params[0]) - slope * centre, slope=slope)


def calibration(truth: ArrayLike, probability: ArrayLike, *, level: float = LEVEL) -> Calibration:
    """Slope, intercept and Brier score.

    Raises
    ------
    UnusableSample
        The probabilities separate the classes or are all equal, so there is no slope.
    """
    positive, values = _probabilities(truth, probability)
    log_odds = logit(np.clip(values, NEAR_CERTAIN, 1 - NEAR_CERTAIN))
    outcome = positive.astype(float)
    _refuse_separated(positive, log_odds)
    if np.ptp(log_odds) == 0:
        raise UnusableSample("all probabilities are equal", "spread, for a slope")
    sloped = Logit(outcome, add_constant(log_odds)).fit(disp=0)
    shifted = GLM(outcome, np.ones_like(log_odds), family=Binomial(), offset=log_odds).fit()
    n = len(values)
    return Calibration(
        slope=wald(float(sloped.params[1]), float(sloped.bse[1]), n, level=level),
        intercept=wald(float(shifted.params[0]), float(shifted.bse[0]), n, level=level),
        brier=float(brier_score_loss(positive, values)),
    )


def reliability_curve(
    truth: ArrayLike, probability: ArrayLike, *, bins: int = 10
) -> ReliabilityCurve:
    """Compute observed against predicted shares with scikit-learn."""
    positive, values = _probabilities(truth, probability)
    observed, predicted = calibration_curve(positive, values, n_bins=bins, strategy="quantile")
    return ReliabilityCurve(predicted=predicted, observed=observed)


def _refuse_separated(positive: BoolArray, values: FloatArray) -> None:
    """Raise if the classes are separated; a logistic curve then has no maximum likelihood."""
    cases, controls = values[positive], values[~positive]
    if cases.min() > controls.max() or cases.max() < controls.min():
        raise UnusableSample("the score separates the classes", "some overlap")


def _probabilities(truth: ArrayLike, probability: ArrayLike) -> tuple[BoolArray, FloatArray]:
    positive, (values,) = binary(truth, probability)
    if values.min() < 0 or values.max() > 1:
        raise UnusableSample(
            f"probabilities from {values.min():g} to {values.max():g}", "from 0 to 1"
        )
    return positive, values
