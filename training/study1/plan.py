"""Who is scanned for study 1, and who belongs to which part."""

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.cohort.people.densitometry import DXA_LEVELS, NHANES_III, t_score, who_class
from training.cohort.people.form import draw_form
from training.cohort.people.population import Population, draw_population, seeds_of
from training.cohort.people.studies import lumbar_groups
from training.cohort.people.subject import Subject, subject_of
from training.cohort.scan.equipment import HELD_OUT, TRAINING, KernelFamily, ScannerModel
from training.cohort.scan.scanner import Scanner
from training.statistics.splits import balanced_split

PATIENTS: Final = 460
TEST_SHARE: Final = 0.3
SLICES_MM: Final = (1.0, 1.25, 2.0, 2.5, 5.0)
MAS: Final = (120, 250)
FAMILIES: Final = ("stout", "slender")
HELD_OUT_FAMILY: Final = "common"
"""Lies between the two others in most numbers of `training.cohort.people.form`: the networks interpolate."""
POSSIBLE_CORTEX: Final = (0.4, 1.6)
CLASSES: Final = ("normal", "osteopenia", "osteoporosis")
"""By the T-score of DXA, in the order of the networks' outputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CortexLaw:
    """Cortex of a family of skeletons, a straight line in two numbers of a patient.

    Parameters
    ----------
    usual
        At 120 mg/cm3 in a patient whose row has the usual cortex.
    per_density
        For 100 mg/cm3 more trabecular density: sparse bone has thin shells and arches as well.
    per_cortex
        For one more of the row's.
    """

    usual: float
    per_density: float
    per_cortex: float

    def at(self, subject: Subject) -> float:
        """Cortex of one patient."""
        density = np.mean([subject.vbmd_mg_cm3[level] for level in DXA_LEVELS])
        own = self.per_density * (density - 120) / 100 + self.per_cortex * (subject.cortex - 1)
        return float(np.clip(self.usual + own, *POSSIBLE_CORTEX))


CORTEX: Final = MappingProxyType(
    {
        "stout": CortexLaw(usual=0.695, per_density=0.068, per_cortex=1.12),
        "common": CortexLaw(usual=0.840, per_density=0.144, per_cortex=1.22),
        "slender": CortexLaw(usual=1.016, per_density=0.221, per_cortex=1.51),
    }
)
"""What makes the DXA of the patients of a family follow their rows in the population, by 30 people of
another seed in each. Else the family would tell the class, and areal density would spread less (SD 0.08
to 0.11 g/cm2) than in the rows (0.126) and in the study (0.143): painted bodies answer to trabecular
density by 0.0017 to 0.0023 g/cm2 per mg/cm3 where people are taken to have 0.0029."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LumbarCohort:
    """Patients without hyperostosis, split as the study says.

    Parameters
    ----------
    is_test : (patients,)
        By patient, in equal shares of class, sex and age, balanced in height, weight and BMI.
        Test patients lie in scanners, under kernels, that no training patient saw, and their
        skeletons are of another family.
    """

    people: Population
    is_test: NDArray[np.bool_]
    seed: int

    def family(self, row: int) -> str:
        """Family of forms that the skeleton of one patient is of."""
        return HELD_OUT_FAMILY if self.is_test[row] else FAMILIES[row % len(FAMILIES)]

    def subject(self, row: int) -> Subject:
        """One patient; test patients have skeletons of a family that training never saw."""
        subject = subject_of(self.people, row)
        family = self.family(row)
        form = draw_form(subject.seed, family)
        return replace(subject, form=form, cortex=CORTEX[family].at(subject))

    def labelled(self, row: int) -> Subject:
        """Whose DXA is learned: the patient who is scanned."""
        return self.subject(row)

    def scanner(self, row: int) -> Scanner:
        """The scanner of one patient: all at 120 kV, as in the study; slices of 1 to 5 mm."""
        rng = np.random.default_rng([self.seed, row])
        models: tuple[ScannerModel, ...] = HELD_OUT if self.is_test[row] else TRAINING
        model = models[rng.integers(len(models))]
        family = KernelFamily.SMOOTH if rng.random() < 0.5 else KernelFamily.STANDARD
        return Scanner(
            model=model,
            kernel=model.kernel(family.value).name,
            mas=int(rng.uniform(*MAS)),
            slice_thickness_mm=float(rng.choice(SLICES_MM)),
        )


def plan_cohort(patients: int = PATIENTS, seed: int = 1) -> LumbarCohort:
    """Draw the patients of the main group and split them 7:3."""
    people = draw_population(seeds_of(seed, patients), lumbar_groups()[:1])
    spine = t_score(people.abmd_g_cm2.mean(axis=1), NHANES_III.spine)
    tertiles = np.quantile(people.age_years, [1 / 3, 2 / 3])
    strata = np.stack(
        [who_class(spine), people.sex == "F", np.digitize(people.age_years, tertiles)], axis=1
    )
    covariates = np.stack(
        [people.age_years, people.height_cm, people.weight_kg, people.bmi_kg_m2], axis=1
    )
    split = balanced_split(strata, covariates, test_share=TEST_SHARE, seed=seed)
    is_test = np.zeros(len(people), bool)
    is_test[split.test] = True
    return LumbarCohort(people=people, is_test=is_test, seed=seed)
