"""Area under the ROC curve of several classes: each against the rest, and their mean."""

import numpy as np
from numpy.typing import ArrayLike

from training.statistics.bootstrap import RESAMPLES, bootstrap
from training.statistics.clustered import clustered_interval
from training.statistics.delong import auc, delong_interval
from training.statistics.errors import UnusableSample
from training.statistics.estimate import Estimate
from training.statistics.sample import FloatArray, IndexArray, finite, same_length


def one_vs_rest(
    truth: ArrayLike, probabilities: ArrayLike, *, clusters: ArrayLike | None = None
) -> tuple[Estimate, ...]:
    """Return the area under the ROC curve of each class against the others.

    Parameters
    ----------
    truth : (n,)
        Class numbers from 0.
    probabilities : (n, classes)
    clusters : (n,), optional
        Patient of each case, for Obuchowski's interval; without it DeLong's.
    """
    labels, scores = _checked(truth, probabilities)
    estimates = []
    for number, score in enumerate(scores.T):
        is_class = labels == number
        estimates.append(
            delong_interval(is_class, score)
            if clusters is None
            else clustered_interval(is_class, score, clusters)
        )
    return tuple(estimates)


def macro_auc(
    truth: ArrayLike,
    probabilities: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Unweighted mean of the one-vs-rest areas with a bootstrap interval."""
    labels, scores = _checked(truth, probabilities)

    def mean_area(rows: IndexArray) -> float:
        return float(
            np.mean([auc(labels[rows] == k, scores[rows, k]) for k in range(scores.shape[1])])
        )

    return bootstrap(mean_area, len(labels), clusters=clusters, resamples=resamples, seed=seed)


def _checked(truth: ArrayLike, probabilities: ArrayLike) -> tuple[IndexArray, FloatArray]:
    scores = finite("probabilities", probabilities, ndim=2)
    labels = np.asarray(truth)
    same_length("truth", labels, len(scores))
    if not np.isin(labels, np.arange(scores.shape[1])).all():
        raise UnusableSample(
            f"classes {np.unique(labels)[:8]}", f"numbers 0 to {scores.shape[1] - 1}"
        )
    return labels.astype(np.intp), scores
