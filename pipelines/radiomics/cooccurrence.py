"""Grey level co-occurrence features (pyradiomics: glcm).

One symmetric matrix per direction, distance 1; a feature is the mean over the directions
(IBSI: ITBB, averaged over 3D directions).
"""

from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipelines.radiomics.levels import EPSILON, Lattice, Levels

GLCM_FEATURES: Final = (
    "Autocorrelation",
    "ClusterProminence",
    "ClusterShade",
    "ClusterTendency",
    "Contrast",
    "Correlation",
    "DifferenceAverage",
    "DifferenceEntropy",
    "DifferenceVariance",
    "Id",
    "Idm",
    "Idmn",
    "Idn",
    "Imc1",
    "Imc2",
    "InverseVariance",
    "JointAverage",
    "JointEnergy",
    "JointEntropy",
    "MCC",
    "MaximumProbability",
    "SumAverage",
    "SumEntropy",
    "SumSquares",
)
CLEAR_GAP: Final = 1e-3
"""Between eigenvalues: above it a first-order correction is exact to 1e-7 (see `_mcc`)."""

Rows = NDArray[np.float64]
"""(directions, ...)"""


def cooccurrence(levels: Levels, where: Lattice, wanted: Collection[str]) -> dict[str, float]:
    """The 24 co-occurrence features; ``MCC``, the costly one, only where wanted."""
    P = _probabilities(levels, where)
    i = levels.values
    px = P.sum(axis=2)
    mean = px @ i
    variance = (px * (i - mean[:, None]) ** 2).sum(axis=1)
    k, difference = _marginal(P, np.abs(i[:, None] - i[None, :]))
    s, total = _marginal(P, i[:, None] + i[None, :])
    from_mean = s - 2 * mean[:, None]
    tendency = (total * from_mean**2).sum(axis=1)
    contrast = difference @ k**2
    difference_mean = difference @ k
    entropy = _entropy(P.reshape(len(P), -1))
    marginal_entropy = _entropy(px)
    features = {
        "Autocorrelation": P.reshape(len(P), -1) @ np.outer(i, i).ravel(),
        "ClusterProminence": (total * from_mean**4).sum(axis=1),
        "ClusterShade": (total * from_mean**3).sum(axis=1),
        "ClusterTendency": tendency,
        "Contrast": contrast,
        "Correlation": _correlation(tendency, contrast, variance),
        "DifferenceAverage": difference_mean,
        "DifferenceEntropy": _entropy(difference),
        "DifferenceVariance": (difference * (k - difference_mean[:, None]) ** 2).sum(axis=1),
        "Id": difference @ (1 / (1 + k)),
        "Idm": difference @ (1 / (1 + k**2)),
        "Idmn": difference @ (1 / (1 + (k / levels.highest) ** 2)),
        "Idn": difference @ (1 / (1 + k / levels.highest)),
        "Imc1": _imc1(entropy, marginal_entropy),
        "Imc2": np.sqrt(-np.expm1(-2 * np.maximum(2 * marginal_entropy - entropy, 0))),
        "InverseVariance": difference[:, k > 0] @ (1 / k[k > 0] ** 2),
        "JointAverage": mean,
        "JointEnergy": (P**2).sum(axis=(1, 2)),
        "JointEntropy": entropy,
        "MaximumProbability": P.max(axis=(1, 2)),
        "SumAverage": 2 * mean,
        "SumEntropy": _entropy(total),
        "SumSquares": variance,
    }
    if "MCC" in wanted:
        features["MCC"] = np.array([_mcc(*pair) for pair in zip(P, px, strict=True)])
    return {name: float(rows.mean()) for name, rows in features.items()}


def _probabilities(levels: Levels, where: Lattice) -> Rows:
    """(directions, levels, levels), symmetric, each of sum 1; directions without pairs left out."""
    size = len(levels.values) + 1
    there = levels.ranks.astype(np.uint32)
    here = there * np.uint32(size)
    matrices = []
    for voxels, step in zip(where.pairs, where.steps, strict=True):
        if len(voxels) == 0:
            continue
        both = (here[:-step] + there[step:]).take(voxels)
        counts = np.bincount(both, minlength=size * size).reshape(size, size)[1:, 1:]
        matrices.append((counts + counts.T) / (2 * len(voxels)))
    return np.stack(matrices)


def _marginal(P: Rows, of: NDArray[np.float64]) -> tuple[NDArray[np.float64], Rows]:
    """Values of ``of`` (levels, levels), 0 upwards, and their probabilities per direction."""
    size = int(of.max()) + 1
    row = of.astype(np.intp).ravel()
    index = (np.arange(len(P))[:, None] * size + row).ravel()
    summed = np.bincount(index, P.ravel(), minlength=len(P) * size)
    return np.arange(size, dtype=np.float64), np.asarray(summed.reshape(len(P), size), np.float64)


def _entropy(p: Rows) -> NDArray[np.float64]:
    return np.asarray(-(p * np.log2(p + EPSILON)).sum(axis=1))


def _correlation(
    tendency: NDArray[np.float64], contrast: NDArray[np.float64], variance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Covariance as (E(i+j-2u)^2 - E(i-j)^2) / 4, over the variance; 1 for a flat direction."""
    correlation = (tendency - contrast) / 4 / (variance + EPSILON)
    return np.where(variance == 0, 1.0, correlation)


def _imc1(entropy: NDArray[np.float64], marginal: NDArray[np.float64]) -> NDArray[np.float64]:
    """(HXY - HXY1) / HX; a symmetric matrix has HXY1 = HX + HY = 2 HX."""
    flat = marginal == 0
    return np.where(flat, 0.0, (entropy - 2 * marginal) / np.where(flat, 1.0, marginal))


def _mcc(P: NDArray[np.float64], px: NDArray[np.float64]) -> float:
    """Maximal correlation coefficient: root of the second eigenvalue of Q.

    Q(i, j) = sum over k of P(i, k) P(j, k) / (px(i) px(k) + epsilon). Without epsilon, Q is similar
    to the square of the symmetric S = P(i, j) / sqrt(px(i) px(j)), whose eigenvalues are found
    several times faster; epsilon, which matters to single voxels of a level, is then put in by
    the two-sided Rayleigh quotient. Where eigenvalues lie too close for that, those of Q itself.
    """
    kept = px > 0
    P, px = P[np.ix_(kept, kept)], px[kept]
    if len(px) < 2:
        return 1.0
    weighted = P / (np.outer(px, px) + EPSILON)
    root = np.sqrt(px)
    values, vectors = np.linalg.eigh(P / np.outer(root, root))
    by_square = np.argsort(values**2)
    second = by_square[-2]
    square = values[by_square] ** 2
    if square[-1] - square[-2] > CLEAR_GAP and (
        len(px) == 2 or square[-2] - square[-3] > CLEAR_GAP
    ):
        left, right = vectors[:, second] * root, vectors[:, second] / root
        return float(np.sqrt(left @ (weighted @ (P @ right))))
    exact = np.sort(np.linalg.eigvals(weighted @ P).real)
    return float(np.sqrt(max(exact[-2], 0.0)))
