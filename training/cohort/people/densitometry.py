"""Compute areal density without an image: closed form, hyperostosis, references, T-scores.

``training.cohort.dxa.report`` measures the same quantities in a projected patient.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.contract.anatomy import Level

Values = NDArray[np.float64]

DXA_LEVELS: Final = (Level.L1, Level.L2, Level.L3, Level.L4)

INTERCEPT_G_CM2: Final = 0.60
SLOPE_CM: Final = 0.0029
"""g/cm2 per mg/cm3."""
LEVEL_OFFSET_G_CM2: Final = (-0.035, -0.005, 0.010, 0.030)
PATIENT_SD_G_CM2: Final = 0.055
"""Contribution of cortex, arch and size of bone; independent of trabecular density."""
LEVEL_SD_G_CM2: Final = 0.03

SPONDYLOSIS_G_CM2: Final = ((0.0, 0.0), (0.0, 0.0), (0.03, 0.08), (0.10, 0.20), (0.20, 0.45))
"""Range that osteophytes add, by Kellgren-Lawrence grade 0 to 4 (4 includes bridging)."""
FACET_G_CM2: Final = (
    (0.0, 0.0, 0.0, 0.0),
    (0.0, 0.0, 0.0, 0.0),
    (0.28, 0.20, 0.11, 0.03),
    (0.47, 0.40, 0.32, 0.25),
)
"""Density that facet sclerosis of grade 0 to 3 adds at L1 to L4 (Drinka; L2, L3 interpolated)."""
AORTA_PER_100_MM3: Final = 0.009
"""Relative increase per 100 mm3 of aortic plaque at L4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Reference population of a T-score: mean and SD of women of 20 to 29 years, g/cm2."""

    name: str
    spine: tuple[float, float]
    femoral_neck: tuple[float, float]
    total_hip: tuple[float, float]


NHANES_III: Final = Reference(
    name="NHANES III women 20-29 years, Hologic",
    spine=(1.047, 0.110),
    femoral_neck=(0.858, 0.120),
    total_hip=(0.942, 0.122),
)
"""The reference of the WHO classes (docs/domain.md 2.6). Used for both sexes, as by ISCD."""


def t_score(abmd_g_cm2: ArrayLike, reference: tuple[float, float]) -> Values:
    """Difference from the young adult mean in standard deviations."""
    mean, deviation = reference
    return (np.asarray(abmd_g_cm2) - mean) / deviation


def who_class(t: ArrayLike) -> NDArray[np.int_]:
    """0 normal (T >= -1), 1 osteopenia, 2 osteoporosis (T <= -2.5)."""
    t = np.asarray(t)
    return np.where(t <= -2.5, 2, np.where(t < -1.0, 1, 0))


def qct_class(vbmd_mg_cm3: ArrayLike) -> NDArray[np.int_]:
    """0 normal (> 120 mg/cm3), 1 osteopenia (80 to 120), 2 osteoporosis (< 80); study 4."""
    vbmd = np.asarray(vbmd_mg_cm3)
    return np.where(vbmd < 80.0, 2, np.where(vbmd <= 120.0, 1, 0))


def areal_density(vbmd_mg_cm3: Values, residual_g_cm2: Values) -> Values:
    """Areal density of L1 to L4 without hyperostosis, g/cm2.

    Parameters
    ----------
    vbmd_mg_cm3, residual_g_cm2 : (n, 4)
        Trabecular density, and deviation of cortex and arch from their mean.

    Source
    ------
    docs/domain.md 3.6, closed form.
    """
    offsets = np.array(LEVEL_OFFSET_G_CM2)
    return np.asarray(INTERCEPT_G_CM2 + SLOPE_CM * vbmd_mg_cm3 + offsets + residual_g_cm2)


def hyperostosis(
    spondylosis: NDArray[np.int_], facets: NDArray[np.int_], place_in_range: Values
) -> Values:
    """Return the areal density that osteophytes and facets add at L1 to L4, g/cm2.

    Both are graded in the same spines. The result is the larger of the two offsets, not the sum.

    Parameters
    ----------
    spondylosis, facets : (n, 4)
        Kellgren-Lawrence grade 0 to 4, facet grade 0 to 3.
    place_in_range : (n, 4)
        0 for the lowest, 1 for the highest offset of the grade.
    """
    low, high = np.array(SPONDYLOSIS_G_CM2).T
    bony = low[spondylosis] + place_in_range * (high - low)[spondylosis]
    levels = np.arange(len(DXA_LEVELS))
    return np.asarray(np.maximum(bony, np.array(FACET_G_CM2)[facets, levels]))


TOTAL_HIP_AGES: Final = (25.5, 35.5, 45.5, 55.5, 65.5, 75.5, 85.5)
TOTAL_HIP_G_CM2: Final = MappingProxyType(
    {
        "M": (1.067, 1.029, 1.040, 1.015, 0.997, 0.961, 0.92),
        "F": (0.971, 0.960, 0.945, 0.895, 0.845, 0.790, 0.74),
    }
)
"""NHANES means by decade: men, and women of 21 to 30 years, as tabulated in doi
10.3389/fendo.2026.1748490 (Table 3); women above 30 years and both sexes above 80 recalled."""
TOTAL_HIP_SD_G_CM2: Final = 0.125
NECK_PER_TOTAL_HIP: Final = 0.91
NECK_LOSS_PER_YEAR: Final = 0.0012
"""The neck loses more than the total hip after 50 years, g/cm2 a year."""
NECK_SD_G_CM2: Final = 0.035
"""SD of the neck about its mean for a given total hip."""


def total_hip_mean(sex: NDArray[np.str_], age_years: Values) -> Values:
    """Mean total hip density by sex and age, g/cm2."""
    men = np.interp(age_years, TOTAL_HIP_AGES, TOTAL_HIP_G_CM2["M"])
    return np.where(sex == "M", men, np.interp(age_years, TOTAL_HIP_AGES, TOTAL_HIP_G_CM2["F"]))


def femoral_neck(total_hip: Values, age_years: NDArray[np.int_], deviate: Values) -> Values:
    """Femoral neck density for a total hip density, g/cm2."""
    loss = NECK_LOSS_PER_YEAR * np.maximum(age_years - 50, 0)
    return np.asarray(NECK_PER_TOTAL_HIP * total_hip - loss + NECK_SD_G_CM2 * deviate)
