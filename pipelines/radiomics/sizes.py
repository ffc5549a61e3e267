"""Features of matrices that count grey levels against sizes: runs, zones and dependences.

pyradiomics: glrlm (a matrix per direction, features averaged), glszm (26-connected zones) and
gldm (neighbours of the same level, alpha 0). The three share their formulas.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

from pipelines.radiomics.levels import EPSILON, Lattice, Levels

GLRLM_FEATURES: Final = (
    "GrayLevelNonUniformity",
    "GrayLevelNonUniformityNormalized",
    "GrayLevelVariance",
    "HighGrayLevelRunEmphasis",
    "LongRunEmphasis",
    "LongRunHighGrayLevelEmphasis",
    "LongRunLowGrayLevelEmphasis",
    "LowGrayLevelRunEmphasis",
    "RunEntropy",
    "RunLengthNonUniformity",
    "RunLengthNonUniformityNormalized",
    "RunPercentage",
    "RunVariance",
    "ShortRunEmphasis",
    "ShortRunHighGrayLevelEmphasis",
    "ShortRunLowGrayLevelEmphasis",
)
GLSZM_FEATURES: Final = (
    "GrayLevelNonUniformity",
    "GrayLevelNonUniformityNormalized",
    "GrayLevelVariance",
    "HighGrayLevelZoneEmphasis",
    "LargeAreaEmphasis",
    "LargeAreaHighGrayLevelEmphasis",
    "LargeAreaLowGrayLevelEmphasis",
    "LowGrayLevelZoneEmphasis",
    "SizeZoneNonUniformity",
    "SizeZoneNonUniformityNormalized",
    "SmallAreaEmphasis",
    "SmallAreaHighGrayLevelEmphasis",
    "SmallAreaLowGrayLevelEmphasis",
    "ZoneEntropy",
    "ZonePercentage",
    "ZoneVariance",
)
GLDM_FEATURES: Final = (
    "DependenceEntropy",
    "DependenceNonUniformity",
    "DependenceNonUniformityNormalized",
    "DependenceVariance",
    "GrayLevelNonUniformity",
    "GrayLevelVariance",
    "HighGrayLevelEmphasis",
    "LargeDependenceEmphasis",
    "LargeDependenceHighGrayLevelEmphasis",
    "LargeDependenceLowGrayLevelEmphasis",
    "LowGrayLevelEmphasis",
    "SmallDependenceEmphasis",
    "SmallDependenceHighGrayLevelEmphasis",
    "SmallDependenceLowGrayLevelEmphasis",
)
COMMON: Final = {
    # what it is: (glrlm, glszm, gldm)
    "small": ("ShortRunEmphasis", "SmallAreaEmphasis", "SmallDependenceEmphasis"),
    "large": ("LongRunEmphasis", "LargeAreaEmphasis", "LargeDependenceEmphasis"),
    "low": ("LowGrayLevelRunEmphasis", "LowGrayLevelZoneEmphasis", "LowGrayLevelEmphasis"),
    "high": ("HighGrayLevelRunEmphasis", "HighGrayLevelZoneEmphasis", "HighGrayLevelEmphasis"),
    "small low": (
        "ShortRunLowGrayLevelEmphasis",
        "SmallAreaLowGrayLevelEmphasis",
        "SmallDependenceLowGrayLevelEmphasis",
    ),
    "small high": (
        "ShortRunHighGrayLevelEmphasis",
        "SmallAreaHighGrayLevelEmphasis",
        "SmallDependenceHighGrayLevelEmphasis",
    ),
    "large low": (
        "LongRunLowGrayLevelEmphasis",
        "LargeAreaLowGrayLevelEmphasis",
        "LargeDependenceLowGrayLevelEmphasis",
    ),
    "large high": (
        "LongRunHighGrayLevelEmphasis",
        "LargeAreaHighGrayLevelEmphasis",
        "LargeDependenceHighGrayLevelEmphasis",
    ),
    "level non-uniformity": ("GrayLevelNonUniformity",) * 3,
    "level non-uniformity, normalised": ("GrayLevelNonUniformityNormalized",) * 2,
    "size non-uniformity": (
        "RunLengthNonUniformity",
        "SizeZoneNonUniformity",
        "DependenceNonUniformity",
    ),
    "size non-uniformity, normalised": (
        "RunLengthNonUniformityNormalized",
        "SizeZoneNonUniformityNormalized",
        "DependenceNonUniformityNormalized",
    ),
    "level variance": ("GrayLevelVariance",) * 3,
    "size variance": ("RunVariance", "ZoneVariance", "DependenceVariance"),
    "entropy": ("RunEntropy", "ZoneEntropy", "DependenceEntropy"),
    "percentage": ("RunPercentage", "ZonePercentage"),
}
GLRLM, GLSZM, GLDM = range(3)
MOST_SIZES: Final = 256
"""With more, only sizes that occur get a column."""


def runs(levels: Levels, where: Lattice) -> dict[str, float]:
    """The 16 run length features, means over the directions."""
    rows = []
    for line in where.lines:
        rank = levels.ranks.take(line.order)
        ends = rank[1:] != rank[:-1]
        ends |= line.ends
        last = np.append(np.flatnonzero(ends), len(rank) - 1)
        rows.append(_features(rank.take(last), np.diff(last, prepend=-1), levels))
    mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return _named(mean, GLRLM)


def zones(levels: Levels, where: Lattice) -> dict[str, float]:
    """The 16 size zone features."""
    ranks = levels.ranks.reshape(where.shape)
    zone = label(ranks, background=0, connectivity=3).ravel().take(where.voxels)
    size = np.bincount(zone)[1:]
    rank = np.zeros(len(size), np.uint16)
    rank[zone - 1] = levels.ranks.take(where.voxels)
    return _named(_features(rank, size, levels), GLSZM)


def dependences(levels: Levels, where: Lattice) -> dict[str, float]:
    """The 14 grey level dependence features."""
    ranks = levels.ranks
    same = np.ones(len(ranks), np.uint8)
    for step in where.steps:
        equal = ranks[:-step] == ranks[step:]
        same[:-step] += equal
        same[step:] += equal
    found = _features(ranks.take(where.voxels), same.take(where.voxels), levels)
    return _named(found, GLDM)


def _named(found: dict[str, float], column: int) -> dict[str, float]:
    return {names[column]: found[what] for what, names in COMMON.items() if column < len(names)}


def _features(
    rank: NDArray[np.integer], size: NDArray[np.integer], levels: Levels
) -> dict[str, float]:
    """Features of the matrix that counts pairs of level and size.

    Parameters
    ----------
    rank, size : (elements,)
        Of each run, zone or voxel: rank of its level, and its size.
    """
    i = levels.values
    present = np.arange(1, size.max() + 1)
    if len(present) > MOST_SIZES:
        present = np.flatnonzero(np.bincount(size))
        column = np.zeros(present[-1] + 1, np.int64)
        column[present] = np.arange(1, len(present) + 1)
        size = column.take(size)
    j = present.astype(np.float64)
    width = len(j) + 1
    flat = rank * np.int64(width) + size
    N = np.bincount(flat, minlength=(len(i) + 1) * width).reshape(len(i) + 1, width)[1:, 1:]
    total = len(rank)
    p = N / total
    by_level, by_size = p.sum(axis=1), p.sum(axis=0)
    small, large, low, high = 1 / j**2, j**2, 1 / i**2, i**2
    filled = p[p > 0]
    level_square, size_square = float(by_level @ by_level), float(by_size @ by_size)
    return {
        "small": float(by_size @ small),
        "large": float(by_size @ large),
        "low": float(by_level @ low),
        "high": float(by_level @ high),
        "small low": float(low @ p @ small),
        "small high": float(high @ p @ small),
        "large low": float(low @ p @ large),
        "large high": float(high @ p @ large),
        "level non-uniformity": level_square * total,
        "level non-uniformity, normalised": level_square,
        "size non-uniformity": size_square * total,
        "size non-uniformity, normalised": size_square,
        "level variance": float(by_level @ (i - by_level @ i) ** 2),
        "size variance": float(by_size @ (j - by_size @ j) ** 2),
        "entropy": float(-(filled @ np.log2(filled + EPSILON))),
        "percentage": 1 / float(by_size @ j),
    }
