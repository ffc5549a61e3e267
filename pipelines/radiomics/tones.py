"""Neighbourhood grey tone difference features (pyradiomics: ngtdm)."""

from typing import Final

import numpy as np

from pipelines.radiomics.levels import Lattice, Levels, box_sum

NGTDM_FEATURES: Final = ("Busyness", "Coarseness", "Complexity", "Contrast", "Strength")
MOST_COARSE: Final = 1e6
"""Coarseness where no voxel differs from its neighbourhood (pyradiomics, IBSI)."""


def tones(levels: Levels, where: Lattice) -> dict[str, float]:
    """The 5 tone difference features."""
    level_of = np.concatenate([[0], levels.values]).astype(np.uint16)
    level = level_of.take(levels.ranks)
    centre = level.take(where.voxels).astype(np.float64)
    around = box_sum(level.reshape(where.shape)).ravel().take(where.voxels) - centre
    mean = around / np.maximum(where.neighbours, 1)
    apart = np.where(where.neighbours > 0, np.abs(centre - mean), 0.0)
    s = np.bincount(levels.ranks.take(where.voxels), apart)[1:]
    i = levels.values
    p = levels.counts / len(centre)
    voxels, count, difference = len(centre), len(i), s.sum()
    weighted = float(p @ s)
    squares = (i[:, None] - i[None, :]) ** 2
    pairs = p[:, None] + p[None, :]
    ip = i * p
    spread = float(np.abs(ip[:, None] - ip[None, :]).sum())
    ps = p * s
    distances = np.abs(i[:, None] - i[None, :])
    complexity = (distances * (ps[:, None] + ps[None, :]) / pairs).sum() / voxels
    contrast = 0.0
    if count > 1:
        contrast = float(p @ squares @ p) * difference / voxels / (count * (count - 1))
    return {
        "Busyness": weighted / spread if spread else 0.0,
        "Coarseness": 1 / weighted if weighted else MOST_COARSE,
        "Complexity": float(complexity),
        "Contrast": float(contrast),
        "Strength": float((pairs * squares).sum() / difference) if difference else 0.0,
    }
