"""Select features by minimum redundancy, maximum relevance, as in the R package mRMRe.

Source: De Jay et al., Bioinformatics 2013;29:2365 (classic filter, one solution): mutual information
of two Gaussian variables, -0.5 ln(1 - rho^2), and the difference criterion of Ding and Peng 2005.
The package ``mrmr-selection`` uses the quotient of F statistics instead; it selects other features.
"""

from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import Tags
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from training.statistics.sample import FloatArray

LARGEST_RHO2 = 1 - 1e-12
"""Upper limit of rho^2: copies of a feature would have infinite mutual information."""


class MrmrSelector(SelectorMixin, BaseEstimator):
    """Select features one by one by relevance minus mean redundancy with those selected before.

    Parameters
    ----------
    n_features
        Number of features to keep; all if there are fewer.
    correlation
        "pearson", or "spearman" for ranks.

    Attributes
    ----------
    ranking_ : (kept,) int
        Selected features in the order of selection.
    scores_ : (kept,)
        Criterion of each feature at its selection, in nats.
    """

    def __init__(
        self, n_features: int = 25, correlation: Literal["pearson", "spearman"] = "pearson"
    ) -> None:
        self.n_features = n_features
        self.correlation = correlation

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Select the features.

        Parameters
        ----------
        X : (subjects, features)
        y : (subjects,)
            A measurement, or classes. Classes are numbered in sorted order (normal, osteopenia,
            osteoporosis as 0, 1, 2).
        """
        features, target = validate_data(self, X, y, ensure_min_samples=2, dtype=np.float64)
        if type_of_target(target) in {"binary", "multiclass"}:
            target = LabelEncoder().fit_transform(target)
        information = mutual_information(
            np.column_stack([features, np.asarray(target, np.float64)]), self.correlation
        )
        relevance, redundancy = information[:-1, -1], information[:-1, :-1]
        self.ranking_, self.scores_ = _choose(relevance, redundancy, self.n_features)
        return self

    def _get_support_mask(self) -> NDArray[np.bool_]:
        check_is_fitted(self)
        mask = np.zeros(self.n_features_in_, bool)
        mask[self.ranking_] = True
        return mask

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def mutual_information(columns: FloatArray, correlation: str = "pearson") -> FloatArray:
    """Return the pairwise mutual information of Gaussian columns, in nats; constants have 0.

    Parameters
    ----------
    columns : (rows, k)

    Returns
    -------
    (k, k)
    """
    values = rankdata(columns, axis=0) if correlation == "spearman" else columns
    centred = values - values.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    # The rounding error of a constant column is not a signal.
    varies = length > 1e-10 * np.maximum(1.0, np.abs(values).max(axis=0)) * np.sqrt(len(values))
    unit = np.divide(centred, length, out=np.zeros_like(centred), where=varies)
    return np.asarray(-0.5 * np.log1p(-np.minimum((unit.T @ unit) ** 2, LARGEST_RHO2)))


def _choose(
    relevance: FloatArray, redundancy: FloatArray, wanted: int
) -> tuple[NDArray[np.intp], FloatArray]:
    chosen: list[int] = []
    scores: list[float] = []
    shared = np.zeros_like(relevance)
    for _ in range(min(wanted, len(relevance))):
        score = relevance - shared / max(1, len(chosen))
        score[chosen] = -np.inf
        best = int(score.argmax())
        chosen.append(best)
        scores.append(float(score[best]))
        shared = shared + redundancy[best]
    return np.array(chosen, np.intp), np.array(scores)
