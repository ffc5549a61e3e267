"""Select the features that are stable when the segmentation is repeated."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from training.statistics.intraclass import icc_2_1

THRESHOLD = 0.8
"""Study 2: features with ICC > 0.8 are kept."""


class IccFilter(SelectorMixin, BaseEstimator):
    """Select features whose ICC(2,1) over repeated segmentations exceeds a threshold.

    ``X`` contains the first segmentation of each subject, ``repeats`` the others, row by row. In
    a pipeline they need routing: ``IccFilter().set_fit_request(repeats=True)`` with
    ``enable_metadata_routing`` of scikit-learn; cross-validation then splits them together with
    ``X``. If only some subjects were segmented again, fit the filter on those and freeze it.

    Parameters
    ----------
    threshold
        Features with a larger ICC are kept.

    Attributes
    ----------
    icc_ : (features,)
    """

    def __init__(self, threshold: float = THRESHOLD) -> None:
        self.threshold = threshold

    def fit(self, X: ArrayLike, y: object = None, repeats: ArrayLike | None = None) -> Self:
        """Compute the ICC of each feature.

        Parameters
        ----------
        X : (subjects, features)
        repeats : (subjects, repeats, features)

        Raises
        ------
        ValueError
            ``repeats`` is missing or does not fit ``X``.
        """
        first = validate_data(self, X, ensure_min_samples=2, dtype=np.float64)
        if repeats is None:
            raise ValueError("IccFilter needs repeats: (subjects, repeats, features)")
        others = np.asarray(repeats, np.float64)
        if others.ndim != 3 or others.shape[::2] != first.shape:
            raise ValueError(
                f"repeats have shape {others.shape}, expected ({first.shape[0]}, repeats, "
                f"{first.shape[1]})"
            )
        self.icc_ = icc_2_1(np.concatenate([first[:, None], others], axis=1))
        return self

    def _get_support_mask(self) -> NDArray[np.bool_]:
        check_is_fitted(self)
        return np.asarray(self.icc_ > self.threshold)
