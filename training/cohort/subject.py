"""One virtual patient: what is true about body and bone, drawn from one seed.

Takes  a seed
Gives  Subject
Next   training.cohort.anatomy
"""

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np

from pipelines.anatomy import Level
from training.cohort.errors import BadCohortConfig
from training.cohort.findings import Findings
from training.cohort.physics import mean_marrow_fat

LEVEL_OFFSET_MG_CM3: Final = MappingProxyType(
    {
        Level.T9: 12.0,
        Level.T10: 9.0,
        Level.T11: 7.0,
        Level.T12: 5.0,
        Level.L1: 3.0,
        Level.L2: 0.0,
        Level.L3: -2.0,
        Level.L4: 1.0,
        Level.L5: 2.0,
    }
)
"""Mean difference of a level from the patient's trabecular density."""

LEVELS: Final = tuple(Level(n) for n in range(Level.T5, Level.L5 + 1))
"""Vertebrae that are modelled, from above."""

VBMD_AGES: Final = (20.0, 40.0, 50.0, 60.0, 70.0, 85.0)
VBMD_MEANS: Final = (190.0, 165.0, 145.0, 115.0, 95.0, 75.0)
"""Mean trabecular density (mg/cm3) by age (years)."""

VBMD_SD: Final = 28.0
MARROW_FAT_SD: Final = 0.07
MARROW_FAT_PER_VBMD_SD: Final = -0.6
"""Correlation of marrow fat with density at one age."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A virtual patient.

    Parameters
    ----------
    seed
        Draws every part of the anatomy that no field below states.
    vbmd_mg_cm3
        Trabecular mineral density by level, mg hydroxyapatite per cm3: mean over the core.
    marrow_fat
        Volume share of yellow marrow in the marrow of the vertebrae.
    lordosis_deg
        Angle between the end plates of L1 (upper) and S1.
    findings
        Degeneration, fractures, lesions, implants and variants.
    """

    seed: int
    sex: str
    age_years: int
    height_cm: float
    bmi_kg_m2: float
    vbmd_mg_cm3: dict[Level, float]
    marrow_fat: float
    lordosis_deg: float = 50.0
    findings: Findings = field(default_factory=Findings)

    def __post_init__(self) -> None:
        _check("seed", self.seed, 0, 2**63)
        _check("age_years", self.age_years, 18, 100)
        _check("height_cm", self.height_cm, 130, 215)
        _check("bmi_kg_m2", self.bmi_kg_m2, 15, 45)
        _check("marrow_fat", self.marrow_fat, 0, 1)
        _check("lordosis_deg", self.lordosis_deg, 20, 75)
        if self.sex not in {"M", "F"}:
            raise BadCohortConfig(f"sex = {self.sex!r}", "M or F")
        for level in LEVELS:
            if level not in self.vbmd_mg_cm3:
                raise BadCohortConfig(f"vbmd_mg_cm3 without {level.name}", "every level T5 to L5")
            _check(f"vbmd_mg_cm3[{level.name}]", self.vbmd_mg_cm3[level], 0, 600)

    @property
    def is_male(self) -> bool:
        """Whether the male sizes apply."""
        return self.sex == "M"

    @property
    def weight_kg(self) -> float:
        """Body mass from height and body mass index."""
        return self.bmi_kg_m2 * (self.height_cm / 100) ** 2

    def density_mg_cm3(self, level: Level) -> float:
        """Trabecular density of a level; T1 to T4 have that of T5."""
        return self.vbmd_mg_cm3.get(level, self.vbmd_mg_cm3[LEVELS[0]])

    def rng(self, role: str) -> np.random.Generator:
        """Random numbers for one part of the anatomy, independent of all others."""
        return np.random.default_rng([self.seed, *role.encode()])


def draw_subject(seed: int, *, sex: str | None = None, age_years: int | None = None) -> Subject:
    """Draw a patient; sex and age are taken as they are where given."""
    _check("seed", seed, 0, 2**63)
    rng = np.random.default_rng([seed, 1])
    drawn_sex, drawn_age = str(rng.choice(["F", "M"])), int(rng.integers(45, 81))
    sex, age = sex or drawn_sex, age_years or drawn_age
    height = rng.normal(*((169, 6) if sex == "M" else (158, 6)))
    deviation = rng.standard_normal()
    centre = float(np.interp(age, VBMD_AGES, VBMD_MEANS)) + VBMD_SD * deviation
    fat = mean_marrow_fat(age) + MARROW_FAT_SD * (
        MARROW_FAT_PER_VBMD_SD * deviation
        + np.sqrt(1 - MARROW_FAT_PER_VBMD_SD**2) * rng.standard_normal()
    )
    return Subject(
        seed=seed,
        sex=sex,
        age_years=age,
        height_cm=float(np.clip(height, 145, 195)),
        bmi_kg_m2=float(np.clip(rng.normal(24.5, 3.0), 18, 34)),
        vbmd_mg_cm3=_levels(max(centre, 35.0), rng),
        marrow_fat=float(np.clip(fat, 0.1, 0.8)),
        lordosis_deg=float(np.clip(rng.normal(50, 7), 35, 65)),
    )


def _levels(centre: float, rng: np.random.Generator) -> dict[Level, float]:
    return {
        level: round(max(20.0, centre + LEVEL_OFFSET_MG_CM3.get(level, 15.0) + rng.normal(0, 5)), 1)
        for level in LEVELS
    }


def _check(field: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise BadCohortConfig(f"{field} = {value:g}", f"{low:g} to {high:g}")
