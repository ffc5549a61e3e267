"""Decision curves: net benefit of treatment by a predicted probability.

Source: Vickers and Elkin, Med Decis Making 2006;26:565.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from training.statistics.errors import UnusableSample
from training.statistics.sample import FloatArray, binary, finite

THRESHOLDS = np.arange(1, 100) / 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionCurve:
    """Net benefit over threshold probabilities; each (thresholds,). Treating no one has a net benefit of 0."""

    thresholds: FloatArray
    model: FloatArray
    treat_all: FloatArray


def decision_curve(
    truth: ArrayLike, probability: ArrayLike, thresholds: ArrayLike = THRESHOLDS
) -> DecisionCurve:
    """Net benefit = TP/N - FP/N * pt / (1 - pt), for calibrated probabilities.

    Raises
    ------
    UnusableSample
        A threshold is not between 0 and 1.
    """
    positive, (values,) = binary(truth, probability)
    cuts = finite("thresholds", thresholds)
    if cuts.min() <= 0 or cuts.max() >= 1:
        raise UnusableSample(f"thresholds {cuts.min():g} to {cuts.max():g}", "between 0 and 1")
    odds = cuts / (1 - cuts)
    called = values[None] >= cuts[:, None]
    n = len(values)
    right = (called & positive).sum(axis=1) / n
    wrong = (called & ~positive).sum(axis=1) / n
    share = positive.mean()
    return DecisionCurve(
        thresholds=cuts, model=right - wrong * odds, treat_all=share - (1 - share) * odds
    )
