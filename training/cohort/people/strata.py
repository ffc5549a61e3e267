"""Published bone densities by sex and decade, interpolated to every year of age.

Source
------
Study 4 (chest CT), Table 1: n, mean and SD of the quantitative CT density (mean of L1 and L2,
mg/cm3 K2HPO4 scale) of 605 men and 443 women. The oldest stratum has one man and one woman; its SD
is that of the stratum before.
"""

from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

EDGES_YEARS: Final = (18, 30, 40, 50, 60, 70, 80, 90, 100)
"""Start of each stratum, and end of the last one."""

COUNTS: Final = MappingProxyType(
    {"M": (40, 85, 157, 207, 57, 41, 17, 1), "F": (20, 80, 99, 115, 60, 45, 23, 1)}
)
MEANS_MG_CM3: Final = MappingProxyType(
    {
        "M": (173.85, 160.27, 139.14, 120.48, 96.66, 102.64, 71.88, 38.85),
        "F": (180.18, 177.08, 162.76, 124.25, 92.36, 66.70, 62.51, 38.70),
    }
)
SDS_MG_CM3: Final = MappingProxyType(
    {
        "M": (31.38, 28.37, 25.06, 33.20, 29.52, 31.91, 33.45, 33.45),
        "F": (20.80, 23.22, 25.18, 31.30, 27.41, 23.85, 29.54, 29.54),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeCurve:
    """Mean and standard deviation at every age; the averages of the strata equal Table 1.

    Parameters
    ----------
    means, sds : (100,)
        By age in whole years.
    """

    means: NDArray[np.float64]
    sds: NDArray[np.float64]

    def at(self, age_years: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation at whole ages; ages above 99 count as 99."""
        index = np.clip(np.asarray(age_years, dtype=np.intp), 0, len(self.means) - 1)
        return self.means[index], self.sds[index]


@cache
def density_curve(sex: str) -> AgeCurve:
    """Density of one sex (``M`` or ``F``) by age.

    Linear between the middles of the strata. The values there are solved so that the mean over
    each stratum equals Table 1. The SD around the line is the SD of Table 1 without the trend.
    """
    ages = np.arange(EDGES_YEARS[0], EDGES_YEARS[-1])
    stratum = np.searchsorted(EDGES_YEARS, ages, side="right") - 1
    middles = np.array([ages[stratum == one].mean() for one in range(len(EDGES_YEARS) - 1)])
    hats = np.stack([np.interp(ages, middles, unit) for unit in np.eye(len(middles))], axis=1)
    average = np.stack([hats[stratum == one].mean(axis=0) for one in range(len(middles))])
    means = hats @ np.linalg.solve(average, np.array(MEANS_MG_CM3[sex]))
    trend = np.array([means[stratum == one].var() for one in range(len(middles))])
    sds = np.sqrt(np.array(SDS_MG_CM3[sex]) ** 2 - trend)[stratum]
    below = (EDGES_YEARS[0], 0)
    return AgeCurve(means=np.pad(means, below, "edge"), sds=np.pad(sds, below, "edge"))
