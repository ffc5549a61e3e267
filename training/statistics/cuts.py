"""Cut on a score: found on training data by Youden's index, then fixed.

A cut found on the test data overestimates the accuracy (docs/domain.md B3).
"""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import roc_curve

from training.statistics.confusion import BinaryCounts, binary_counts
from training.statistics.sample import binary


def youden_cut(truth: ArrayLike, score: ArrayLike) -> float:
    """Return the cut with the largest sensitivity + specificity - 1, halfway between two scores.

    Of several equal cuts it is the highest, which is the most specific. Source: Youden, Cancer 1950;3:32.
    """
    positive, (values,) = binary(truth, score)
    false_rate, true_rate, thresholds = roc_curve(positive, values, drop_intermediate=False)
    index = true_rate - false_rate
    at = thresholds[np.flatnonzero(index >= index.max() - 1e-12)[0]]
    below = values[values < at]
    if not np.isfinite(at):
        return float(values.max()) + 1.0
    return float((at + below.max()) / 2) if len(below) else float(at)


def counts_at(truth: ArrayLike, score: ArrayLike, cut: float) -> BinaryCounts:
    """Return the two by two table if scores at or above ``cut`` count as positive."""
    positive, (values,) = binary(truth, score)
    return binary_counts(positive, values >= cut)
