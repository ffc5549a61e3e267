"""Define ``Subject``, a virtual patient with known body and bone, and draw one from a seed."""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from pipelines.contract.anatomy import Level
from training.cohort.errors import BadCohortConfig
from training.cohort.people.densitometry import DXA_LEVELS, INTERCEPT_G_CM2
from training.cohort.people.findings import PLAQUE_LEVELS, Findings, LevelFindings
from training.cohort.people.form import Form
from training.cohort.people.population import LEVELS, Population, draw_population
from training.cohort.people.prevalence import PLAQUE_BY_LEVEL, draw_findings
from training.cohort.people.studies import PAPER_LIKE, study_groups

OSTEOPHYTE_MM: Final = (0.0, 1.2, 3.5, 6.0, 9.0)
"""Length of osteophytes by Kellgren-Lawrence grade: middle of the ranges in ``prevalence``."""

PEAK_TOTAL_HIP_G_CM2: Final = 0.971
"""Hip density of young women; ``Subject.hip_density`` is relative to it."""

__all__ = ["LEVELS", "Subject", "draw_subject", "subject_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A virtual patient.

    Parameters
    ----------
    seed
        Seed of all anatomy that the fields below leave open.
    vbmd_mg_cm3
        Trabecular mineral density by level, mg hydroxyapatite per cm3; mean over the core.
    marrow_fat
        Volume share of yellow marrow in the marrow of the vertebrae.
    lordosis_deg
        Angle between the end plates of L1 (upper) and S1.
    hip_density
        Bone mineral of the proximal femora relative to young women.
    cortex
        Factor on shell and arch of the vertebrae: part of DXA, independent of trabecular density.
    texture_variation
        Coefficient of variation of the trabecular density within a body, over 2 to 3 mm.
    findings
        Degeneration, fractures, lesions, implants and variants.
    form
        Shape of the skeleton apart from its size.
    """

    seed: int
    sex: str
    age_years: int
    height_cm: float
    bmi_kg_m2: float
    vbmd_mg_cm3: dict[Level, float]
    marrow_fat: float
    lordosis_deg: float = 50.0
    hip_density: float = 1.0
    cortex: float = 1.0
    texture_variation: float = 0.15
    findings: Findings = field(default_factory=Findings)
    form: Form = field(default_factory=Form)

    def __post_init__(self) -> None:
        _check("seed", self.seed, 0, 2**63)
        _check("age_years", self.age_years, 18, 100)
        _check("height_cm", self.height_cm, 130, 215)
        _check("bmi_kg_m2", self.bmi_kg_m2, 15, 45)
        _check("marrow_fat", self.marrow_fat, 0, 1)
        _check("lordosis_deg", self.lordosis_deg, 20, 75)
        _check("hip_density", self.hip_density, 0.2, 2.0)
        _check("cortex", self.cortex, 0.4, 1.6)
        _check("texture_variation", self.texture_variation, 0, 0.6)
        if self.sex not in {"M", "F"}:
            raise BadCohortConfig(f"sex = {self.sex!r}", "M or F")
        for level in LEVELS:
            if level not in self.vbmd_mg_cm3:
                raise BadCohortConfig(f"vbmd_mg_cm3 without {level.name}", "every level T5 to L5")
            _check(f"vbmd_mg_cm3[{level.name}]", self.vbmd_mg_cm3[level], 0, 600)

    @property
    def is_male(self) -> bool:
        """Whether the sizes of men apply."""
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


def draw_subject(
    seed: int,
    *,
    sex: str | None = None,
    age_years: int | None = None,
    study: str = "lumbar",
    scenario: str = PAPER_LIKE.name,
    with_findings: bool = False,
) -> Subject:
    """Draw a patient of a study; ``sex`` and ``age_years`` override the drawn values.

    The numbers equal the row of ``draw_population`` for the same seed.

    Parameters
    ----------
    with_findings
        Add findings: the grades of the row at L1 to L4; ``draw_findings`` draws all others.
    """
    _check("seed", seed, 0, 2**63 - 1)
    seeds = np.array([seed], dtype=np.int64)
    groups = study_groups(study, scenario)
    people = draw_population(seeds, groups, sex=sex, age_years=age_years)
    subject = subject_of(people, 0)
    return replace(subject, findings=findings_of(people, 0)) if with_findings else subject


def subject_of(people: Population, row: int) -> Subject:
    """Return one person of a population as a patient without findings."""
    return Subject(
        seed=int(people.seed[row]),
        sex=str(people.sex[row]),
        age_years=int(people.age_years[row]),
        height_cm=float(people.height_cm[row]),
        bmi_kg_m2=float(people.bmi_kg_m2[row]),
        vbmd_mg_cm3={
            level: round(float(value), 1)
            for level, value in zip(LEVELS, people.vbmd_mg_cm3[row], strict=True)
        },
        marrow_fat=float(people.marrow_fat[row]),
        lordosis_deg=float(people.lordosis_deg[row]),
        hip_density=float(people.total_hip_g_cm2[row]) / PEAK_TOTAL_HIP_G_CM2,
        cortex=float(np.clip(1 + people.cortex_g_cm2[row] / INTERCEPT_G_CM2, 0.4, 1.6)),
        texture_variation=float(people.texture_variation[row]),
    )


def findings_of(people: Population, row: int) -> Findings:
    """Return the findings of a person: grades of L1 to L4 and plaque of the row, the rest drawn."""
    drawn = draw_findings(
        int(people.seed[row]),
        age_years=float(people.age_years[row]),
        sex=str(people.sex[row]),
        vbmd_mg_cm3=float(people.qct_vbmd_mg_cm3[row]),
    )
    levels = dict(drawn.levels)
    for number, level in enumerate(DXA_LEVELS):
        grade = int(people.spondylosis[row, number])
        found: LevelFindings = drawn.at(level)
        levels[level] = replace(
            found,
            kellgren_lawrence=grade,
            osteophyte_mm=OSTEOPHYTE_MM[grade],
            bridging=found.bridging and grade >= 3,
            facet_sclerosis=int(people.facets[row, number]),
        )
    plaque = float(people.aorta_mm3[row])
    volumes = {one: round(min(plaque * PLAQUE_BY_LEVEL[one], 4000), 1) for one in PLAQUE_LEVELS}
    return replace(drawn, levels=levels, plaque_mm3=volumes if plaque >= 1 else {})


def _check(field: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise BadCohortConfig(f"{field} = {value:g}", f"{low:g} to {high:g}")
