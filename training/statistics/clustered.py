"""Area under the ROC curve if several cases come from one patient.

Source: Obuchowski, Nonparametric analysis of clustered ROC curve data, Biometrics 1997;53:567.
The area is that of all vertebrae. Only its variance depends on the patients.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from training.statistics.delong import AREA_BOUNDS, placements
from training.statistics.errors import UnusableSample
from training.statistics.estimate import LEVEL, Comparison, Estimate, normal_test, wald
from training.statistics.sample import BoolArray, FloatArray, IndexArray, binary, same_length


def clustered_covariance(
    positive: BoolArray, scores: list[FloatArray], clusters: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Return areas of k scores on the same clustered cases, and their covariance.

    Parameters
    ----------
    clusters : (n,)
        Patient of each case, any labels.

    Returns
    -------
    areas : (k,)
    covariance : (k, k)

    Raises
    ------
    UnusableSample
        Fewer than two patients have a case of a class.
    """
    index = cluster_index(clusters, len(positive))
    n_clusters = int(index.max()) + 1
    with_positive = len(np.unique(index[positive]))
    with_negative = len(np.unique(index[~positive]))
    if min(with_positive, with_negative) < 2:
        raise UnusableSample(
            f"{with_positive} patients with and {with_negative} without the finding", "two of each"
        )
    areas, above, below = [], [], []
    for score in scores:
        of_positives, of_negatives = placements(positive, score)
        area = of_positives.mean()
        areas.append(area)
        above.append(np.bincount(index[positive], of_positives - area, n_clusters))
        below.append(np.bincount(index[~positive], of_negatives - area, n_clusters))
    x, y = np.stack(above), np.stack(below)
    m, n = np.count_nonzero(positive), np.count_nonzero(~positive)
    cross = n_clusters / (n_clusters - 1) * (x @ y.T) / (m * n)
    spread = (
        with_positive / (with_positive - 1) * (x @ x.T) / m**2
        + with_negative / (with_negative - 1) * (y @ y.T) / n**2
        + cross
        + cross.T
    )
    return np.array(areas), spread


def cluster_index(clusters: ArrayLike, n: int) -> IndexArray:
    """Return the number of the patient of each case, from 0."""
    labels = np.asarray(clusters)
    same_length("clusters", labels, n)
    return np.unique(labels, return_inverse=True)[1]


def clustered_interval(
    truth: ArrayLike, score: ArrayLike, clusters: ArrayLike, *, level: float = LEVEL
) -> Estimate:
    """Return the area under the ROC curve with an interval for clustered cases."""
    positive, values = binary(truth, score)
    areas, spread = clustered_covariance(positive, values, clusters)
    error = math.sqrt(max(0.0, spread[0, 0]))
    return wald(float(areas[0]), error, len(positive), level=level, bounds=AREA_BOUNDS)


def clustered_test(
    truth: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    clusters: ArrayLike,
    *,
    level: float = LEVEL,
) -> Comparison:
    """Test two scores of the same clustered cases: difference of areas, first minus second."""
    positive, values = binary(truth, first, second)
    areas, spread = clustered_covariance(positive, values, clusters)
    variance = float(spread[0, 0] + spread[1, 1] - 2 * spread[0, 1])
    return normal_test(float(areas[0] - areas[1]), math.sqrt(max(0.0, variance)), level=level)
