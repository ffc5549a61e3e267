"""Draw virtual people as rows of numbers, thousands in a second.

Every person depends on one seed only: the row is the same in a table of one and in a table of
thousands. ``training.cohort.people.subject`` turns a row into a patient with an anatomy.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from pipelines.contract.anatomy import Level
from training.cohort.matter.physics import mean_marrow_fat
from training.cohort.people import densitometry
from training.cohort.people.densitometry import DXA_LEVELS, NHANES_III, Values
from training.cohort.people.strata import COUNTS, EDGES_YEARS, density_curve
from training.cohort.people.studies import Group, study_groups

Whole: TypeAlias = NDArray[np.int_]

LEVELS: Final = tuple(Level(n) for n in range(Level.T5, Level.L5 + 1))
"""Vertebrae with a drawn density, from above."""

LUMBAR: Final = slice(LEVELS.index(DXA_LEVELS[0]), LEVELS.index(DXA_LEVELS[-1]) + 1)
"""Columns of L1 to L4 among those of ``LEVELS``."""

LEVEL_OFFSET_MG_CM3: Final = (
    *(15.0, 15.0, 15.0, 15.0),  # T5 to T8
    *(12.0, 9.0, 7.0, 5.0),  # T9 to T12
    *(3.0, 0.0, -2.0, 1.0, 2.0),  # L1 to L5
)
"""Mean difference of ``LEVELS`` in trabecular density; study 4 reports the mean of L1 and L2."""
LEVEL_SD_MG_CM3: Final = 5.0
LOWEST_VBMD_MG_CM3: Final = 10.0

MARROW_FAT_SD: Final = 0.07
MARROW_FAT_PER_VBMD_SD: Final = -0.6
"""Correlation of marrow fat with density at one age."""
HIP_PER_SPINE: Final = 0.65
"""Correlation of hip and spine density at one age and sex."""

MEAN_TEXTURE: Final = 0.15
TEXTURE_LOG_SD: Final = 0.15
READER_SD: Final = 0.5

MENOPAUSE_AGE: Final = (49.5, 3.5)
"""Natural menopause, years: mean and SD."""

AORTA_MM3: Final = (214.0, 444.0)
"""Plaque at L4 at 60 years and above, mean and SD of a lognormal distribution."""
AORTA_AGE: Final = 60.0
AORTA_PER_YEAR: Final = 0.12
"""Growth rate of plaques before 60 years (assumed)."""

SPONDYLOSIS_LOGIT: Final = (55.0, -0.619, 0.1337)
"""Age, logit and slope of the share with a level of grade 2 or more: 35 % at 55, 80 % at 70."""
WORST_GRADE_SHARES: Final = (0.12, 0.40, 1.0)
"""Of these people: cumulative share of grade 4, 3 and 2 at the worst level (assumed)."""
DOUBTFUL_SHARE: Final = 0.30
"""Share of all people whose worst level has grade 1 (assumed)."""
LOWER_BY: Final = (0.4, 0.8)
"""Cumulative share of other levels 0 or 1 grade below the worst; the rest is 2 below (assumed)."""


class Draw(IntEnum):
    """Columns of standard normal deviates of a person; add new ones at the end of a block."""

    GROUP = 0
    AGE = 1
    SEX = 2
    HEIGHT = 3
    BMI = 4
    DENSITY = 5
    MARROW = 6
    LORDOSIS = 7
    HIP = 8
    NECK = 9
    MENOPAUSE = 10
    SPONDYLOSIS = 11
    WORST_LEVEL = 12
    CORTEX = 13
    OFFSET = 14
    AORTA = 15
    TEXTURE = 16
    READER = 17
    LEVEL_DENSITY = 32  # one for each of LEVELS
    LEVEL_GRADE = 48  # one for each of DXA_LEVELS; the next ones too
    LEVEL_FACET = 52
    LEVEL_CORTEX = 56
    LEVEL_OFFSET = 60
    END = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """n people; arrays have shape (n,) unless stated.

    Parameters
    ----------
    group
        Name of the group of the study.
    menopause_age_years
        NaN in men; for women it may lie in the future.
    vbmd_mg_cm3 : (n, 13)
        Trabecular density of ``LEVELS``.
    spondylosis, facets : (n, 4)
        Kellgren-Lawrence grade 0 to 4 and facet sclerosis 0 to 3 of L1 to L4.
    aorta_mm3
        Calcified plaque at L4.
    texture_variation
        Coefficient of variation of the trabecular density within a body.
    reader_deviate
        Standard normal measurement error of the reader.
    cortex_g_cm2
        Deviation of the areal density of shell and arch; independent of trabecular density.
    native_abmd_g_cm2, abmd_g_cm2 : (n, 4)
        Areal density of L1 to L4 without and with hyperostosis and plaques.
    """

    seed: NDArray[np.int64]
    group: NDArray[np.str_]
    is_case: NDArray[np.bool_]
    sex: NDArray[np.str_]
    age_years: Whole
    height_cm: Values
    bmi_kg_m2: Values
    menopause_age_years: Values
    lordosis_deg: Values
    vbmd_mg_cm3: Values
    marrow_fat: Values
    spondylosis: Whole
    facets: Whole
    aorta_mm3: Values
    texture_variation: Values
    reader_deviate: Values
    cortex_g_cm2: Values
    native_abmd_g_cm2: Values
    abmd_g_cm2: Values
    total_hip_g_cm2: Values
    femoral_neck_g_cm2: Values

    def __len__(self) -> int:
        return len(self.seed)

    @property
    def weight_kg(self) -> Values:
        """Body mass from height and body mass index."""
        return self.bmi_kg_m2 * (self.height_cm / 100) ** 2

    @property
    def is_postmenopausal(self) -> NDArray[np.bool_]:
        """Women past their menopause."""
        return np.nan_to_num(self.menopause_age_years, nan=np.inf) <= self.age_years

    @property
    def qct_vbmd_mg_cm3(self) -> Values:
        """Mean of L1 and L2, as study 4 reports it."""
        first = LEVELS.index(Level.L1)
        return np.asarray(self.vbmd_mg_cm3[:, first : first + 2].mean(axis=1))

    @property
    def r_score(self) -> Values:
        """Stand-in for the R-score of study 2: density and uniformity; higher is better bone.

        Weights and noise are tuned so that it separates the fracture patients of study 2 from the
        others with the AUC of the study (0.914 in its test part).
        """
        density = (self.vbmd_mg_cm3[:, LUMBAR].mean(axis=1) - 80.0) / 32.0
        evenness = -np.log(self.texture_variation / MEAN_TEXTURE) / TEXTURE_LOG_SD
        return np.asarray(density + evenness + READER_SD * self.reader_deviate)

    @property
    def spine_t_score(self) -> Values:
        """T-score of the mean of L1 to L4."""
        return densitometry.t_score(self.abmd_g_cm2.mean(axis=1), NHANES_III.spine)

    @property
    def hip_t_score(self) -> Values:
        """Lower of the T-scores of femoral neck and total hip."""
        return np.minimum(
            densitometry.t_score(self.femoral_neck_g_cm2, NHANES_III.femoral_neck),
            densitometry.t_score(self.total_hip_g_cm2, NHANES_III.total_hip),
        )


def seeds_of(seed: int, n: int) -> NDArray[np.int64]:
    """Seeds of the n people of a table; tables with different seeds have no common person."""
    return seed * 1_000_000 + np.arange(n, dtype=np.int64)


def joined(parts: Sequence[Population]) -> Population:
    """Concatenate populations in order."""
    columns = {
        one.name: np.concatenate([getattr(part, one.name) for part in parts])
        for one in fields(Population)
    }
    return Population(**columns)


def draw_population(
    seeds: NDArray[np.int64],
    groups: Sequence[Group] = study_groups("lumbar"),
    *,
    sex: str | None = None,
    age_years: int | None = None,
) -> Population:
    """Draw one person for each seed; ``sex`` and ``age_years`` override the drawn values."""
    deviates = _deviates(seeds)
    share = ndtr(deviates)
    member = _categories(share[:, Draw.GROUP], [one.weight for one in groups])
    women, age = _sex_and_age(share, member, groups)
    if sex is not None:
        women = np.full(len(seeds), sex == "F")
    if age_years is not None:
        age = np.full(len(seeds), age_years)
    sexes = np.where(women, "F", "M")

    def of_group(values: Sequence[float]) -> Values:
        return np.asarray(values, dtype=np.float64)[member]

    vbmd = _vbmd(deviates, women, age, of_group([g.vbmd_shift_mg_cm3 for g in groups]))
    spondylosis, facets = _grades(share, age, member, groups)
    aorta = _aorta(deviates, age)
    areal_shift = of_group([g.areal_shift_g_cm2 + g.cortex_shift_g_cm2 for g in groups])
    native = densitometry.areal_density(vbmd[:, LUMBAR], _cortex(deviates) + areal_shift[:, None])
    offset = _offset(deviates, share, spondylosis, facets, member, groups)
    plaques = 1 + densitometry.AORTA_PER_100_MM3 * aorta / 100
    hip = _total_hip(deviates, sexes, age) + of_group([g.hip_shift_g_cm2 for g in groups])
    bmi_mean, bmi_sd = of_group([g.bmi[0] for g in groups]), of_group([g.bmi[1] for g in groups])
    texture = of_group([g.texture for g in groups])
    texture = texture * np.exp(TEXTURE_LOG_SD * deviates[:, Draw.TEXTURE])
    height = np.where(women, 158.0, 169.0) + 6.0 * deviates[:, Draw.HEIGHT]
    return Population(
        seed=seeds,
        group=np.array([g.name for g in groups])[member],
        is_case=np.array([g.is_case for g in groups])[member],
        sex=sexes,
        age_years=age,
        height_cm=np.clip(height, 140, 195),
        bmi_kg_m2=np.clip(bmi_mean + bmi_sd * deviates[:, Draw.BMI], 17, 38),
        menopause_age_years=_menopause(deviates, women, age, groups, member),
        lordosis_deg=np.clip(50 + 7 * deviates[:, Draw.LORDOSIS], 35, 65),
        vbmd_mg_cm3=vbmd,
        marrow_fat=_marrow_fat(deviates, age),
        spondylosis=spondylosis,
        facets=facets,
        aorta_mm3=aorta,
        texture_variation=MEAN_TEXTURE * texture,
        reader_deviate=deviates[:, Draw.READER],
        cortex_g_cm2=densitometry.PATIENT_SD_G_CM2 * deviates[:, Draw.CORTEX]
        + of_group([g.cortex_shift_g_cm2 for g in groups]),
        native_abmd_g_cm2=native,
        abmd_g_cm2=(native + offset) * plaques[:, None],
        total_hip_g_cm2=hip,
        femoral_neck_g_cm2=densitometry.femoral_neck(hip, age, deviates[:, Draw.NECK]),
    )


def _deviates(seeds: NDArray[np.int64]) -> Values:
    """(n, END) standard normal deviates, each row depends on its seed only."""
    return np.stack(
        [np.random.default_rng([int(seed), 1]).standard_normal(Draw.END) for seed in seeds]
    )


def _categories(share: Values, weights: Sequence[float]) -> Whole:
    """Return the index of the category that contains each share (0 to 1)."""
    bounds = np.cumsum(weights) / np.sum(weights)
    return np.searchsorted(bounds[:-1], share, side="right")


def _sex_and_age(
    share: Values, member: Whole, groups: Sequence[Group]
) -> tuple[NDArray[np.bool_], Whole]:
    women, age = np.zeros(len(share), bool), np.zeros(len(share), np.int_)
    for number, group in enumerate(groups):
        mine = member == number
        if group.ages is None:
            women[mine], age[mine] = _strata(share[mine])
            continue
        women[mine] = share[mine, Draw.SEX] < group.share_women
        ages = group.ages
        low = ndtr((ages.youngest - 0.5 - ages.mean) / ages.sd)
        high = ndtr((ages.oldest + 0.5 - ages.mean) / ages.sd)
        place = low + share[mine, Draw.AGE] * (high - low)
        drawn = np.rint(ages.mean + ages.sd * ndtri(place))
        age[mine] = np.clip(drawn, ages.youngest, ages.oldest)
    return women, age


def _strata(share: Values) -> tuple[NDArray[np.bool_], Whole]:
    """Draw sex and decade by the counts of study 4; the age is uniform within the decade."""
    strata = len(COUNTS["M"])
    cell = _categories(share[:, Draw.SEX], [*COUNTS["M"], *COUNTS["F"]])
    low, high = (np.array(EDGES_YEARS)[cell % strata + one] for one in (0, 1))
    age = np.floor(low + share[:, Draw.AGE] * (high - low)).astype(np.int_)
    return cell >= strata, np.minimum(age, high - 1)


def _vbmd(deviates: Values, women: NDArray[np.bool_], age: Whole, shift: Values) -> Values:
    """(n, 13) densities; the mean of L1 and L2 follows the strata of study 4."""
    (mean_w, sd_w), (mean_m, sd_m) = (density_curve(one).at(age) for one in "FM")
    mean, sd = np.where(women, mean_w, mean_m), np.where(women, sd_w, sd_m)
    common = np.sqrt(sd**2 - LEVEL_SD_MG_CM3**2 / 2) * deviates[:, Draw.DENSITY]
    first = LEVELS.index(Level.L1)
    offsets = np.array(LEVEL_OFFSET_MG_CM3)
    offsets = offsets - offsets[first : first + 2].mean()
    block = slice(Draw.LEVEL_DENSITY, Draw.LEVEL_DENSITY + len(LEVELS))
    own = offsets + LEVEL_SD_MG_CM3 * deviates[:, block]
    vbmd = (mean + common + shift)[:, None] + own
    return np.asarray(np.maximum(vbmd, LOWEST_VBMD_MG_CM3))


def _marrow_fat(deviates: Values, age: Whole) -> Values:
    """Share of yellow marrow; it decreases with density."""
    mean = np.array([mean_marrow_fat(one) for one in range(age.max() + 1)])[age]
    rest = np.sqrt(1 - MARROW_FAT_PER_VBMD_SD**2)
    deviate = MARROW_FAT_PER_VBMD_SD * deviates[:, Draw.DENSITY] + rest * deviates[:, Draw.MARROW]
    return np.asarray(np.clip(mean + MARROW_FAT_SD * deviate, 0.1, 0.8))


def _grades(
    share: Values, age: Whole, member: Whole, groups: Sequence[Group]
) -> tuple[Whole, Whole]:
    """Kellgren-Lawrence grades of osteophytes and grades of facet sclerosis at L1 to L4."""
    at, logit, slope = SPONDYLOSIS_LOGIT
    any_level = 1 / (1 + np.exp(-(logit + slope * (age - at))))
    place = share[:, Draw.SPONDYLOSIS]
    worst = (place < np.minimum(any_level + DOUBTFUL_SHARE, 1)).astype(np.int_)
    for grade, part in zip((2, 3, 4), reversed(WORST_GRADE_SHARES), strict=True):
        worst[place < any_level * part] = grade
    lowest, highest = (np.array([g.grades[k] for g in groups])[member] for k in (0, 1))
    worst = np.clip(worst, lowest, highest)
    levels = len(DXA_LEVELS)
    less = np.digitize(share[:, Draw.LEVEL_GRADE : Draw.LEVEL_GRADE + levels], LOWER_BY)
    at_worst = _categories(share[:, Draw.WORST_LEVEL], [1] * levels)
    less[np.arange(len(worst)), at_worst] = 0
    grades = np.maximum(worst[:, None] - less, 0)
    spared = share[:, Draw.LEVEL_FACET : Draw.LEVEL_FACET + levels] < 0.5
    return grades, np.maximum(grades - 1 - spared, 0)


def _aorta(deviates: Values, age: Whole) -> Values:
    mean, sd = AORTA_MM3
    variance = np.log(1 + (sd / mean) ** 2)
    adult = np.exp(np.log(mean) - variance / 2 + np.sqrt(variance) * deviates[:, Draw.AORTA])
    return np.asarray(adult * np.exp(np.minimum(age - AORTA_AGE, 0) * AORTA_PER_YEAR))


def _cortex(deviates: Values) -> Values:
    """(n, 4) areal density of the cortex; independent of trabecular density."""
    block = deviates[:, Draw.LEVEL_CORTEX : Draw.LEVEL_CORTEX + len(DXA_LEVELS)]
    patient = densitometry.PATIENT_SD_G_CM2 * deviates[:, Draw.CORTEX, None]
    return np.asarray(patient + densitometry.LEVEL_SD_G_CM2 * block)


def _offset(
    deviates: Values,
    share: Values,
    spondylosis: Whole,
    facets: Whole,
    member: Whole,
    groups: Sequence[Group],
) -> Values:
    """(n, 4) areal density that hyperostosis adds."""
    place = share[:, Draw.LEVEL_OFFSET : Draw.LEVEL_OFFSET + len(DXA_LEVELS)]
    offset = densitometry.hyperostosis(spondylosis, facets, place)
    for number, group in enumerate(groups):
        if group.offset_g_cm2 is not None:
            mine = member == number
            mean, sd = group.offset_g_cm2
            offset[mine] = (mean + sd * deviates[mine, Draw.OFFSET])[:, None]
    return offset


def _total_hip(deviates: Values, sexes: NDArray[np.str_], age: Whole) -> Values:
    rest = np.sqrt(1 - HIP_PER_SPINE**2)
    deviate = HIP_PER_SPINE * deviates[:, Draw.DENSITY] + rest * deviates[:, Draw.HIP]
    mean = densitometry.total_hip_mean(sexes, age.astype(np.float64))
    return np.asarray(mean + densitometry.TOTAL_HIP_SD_G_CM2 * deviate)


def _menopause(
    deviates: Values,
    women: NDArray[np.bool_],
    age: Whole,
    groups: Sequence[Group],
    member: Whole,
) -> Values:
    """Age at menopause; at most the current age in groups of women only (postmenopausal)."""
    mean, sd = MENOPAUSE_AGE
    drawn = mean + sd * deviates[:, Draw.MENOPAUSE]
    behind = np.array([g.share_women == 1.0 for g in groups])[member]
    drawn = np.where(behind, np.minimum(drawn, age), drawn)
    return np.where(women, drawn, np.nan)
