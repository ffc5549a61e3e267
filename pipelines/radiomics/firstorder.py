"""First-order statistics of the intensities in a region (pyradiomics: firstorder)."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipelines.radiomics.levels import EPSILON, Levels

FIRST_ORDER_FEATURES: Final = (
    "10Percentile",
    "90Percentile",
    "Energy",
    "Entropy",
    "InterquartileRange",
    "Kurtosis",
    "Maximum",
    "MeanAbsoluteDeviation",
    "Mean",
    "Median",
    "Minimum",
    "Range",
    "RobustMeanAbsoluteDeviation",
    "RootMeanSquared",
    "Skewness",
    "TotalEnergy",
    "Uniformity",
    "Variance",
)


def first_order(
    intensities: NDArray[np.floating], levels: Levels, voxel_mm3: float
) -> dict[str, float]:
    """The 18 first-order features.

    Parameters
    ----------
    intensities : (voxels,)
        Inside the region, not discretised.

    Notes
    -----
    Kurtosis is not the excess kurtosis of IBSI: it is larger by 3, as in pyradiomics.
    """
    x = intensities.astype(np.float64)
    p10, p25, p50, p75, p90 = np.percentile(x, [10, 25, 50, 75, 90])
    mean = x.mean()
    apart = x - mean
    square = apart * apart
    variance = square.mean()
    spread = variance if variance > 0 else 1.0
    middle = x[(x >= p10) & (x <= p90)]
    energy = x @ x
    share = levels.counts / len(x)
    lowest, highest = x.min(), x.max()
    return {
        "10Percentile": p10,
        "90Percentile": p90,
        "Energy": energy,
        "Entropy": -(share @ np.log2(share + EPSILON)),
        "InterquartileRange": p75 - p25,
        "Kurtosis": (square @ square) / len(x) / spread**2,
        "Maximum": highest,
        "MeanAbsoluteDeviation": np.abs(apart).mean(),
        "Mean": mean,
        "Median": p50,
        "Minimum": lowest,
        "Range": highest - lowest,
        "RobustMeanAbsoluteDeviation": np.abs(middle - middle.mean()).mean(),
        "RootMeanSquared": np.sqrt(energy / len(x)),
        "Skewness": (square @ apart) / len(x) / spread**1.5,
        "TotalEnergy": energy * voxel_mm3,
        "Uniformity": share @ share,
        "Variance": variance,
    }
