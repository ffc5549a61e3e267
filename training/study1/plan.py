"""Cohort of study 1: its patients, their scanners, and the split into training and test part."""

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
"""Test family. Most of its numbers in `training.cohort.people.form` lie between the two others, so the
networks interpolate."""
POSSIBLE_CORTEX: Final = (0.4, 1.6)
CLASSES: Final = ("normal", "osteopenia", "osteoporosis")
"""Classes by the T-score of DXA, in the order of the network's outputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CortexLaw:
    """Cortex factor of a family of skeletons, linear in two values of a patient.

    Parameters
    ----------
    usual
        Factor at 120 mg/cm3 in a patient with the usual cortex in the population table.
    per_density
        Increase per 100 mg/cm3 of trabecular density: sparse bone also has thin shells and arches.
    per_cortex
        Increase per unit of the cortex factor in the population table.
    """

    usual: float
    per_density: float
    per_cortex: float

    def at(self, subject: Subject) -> float:
        """Cortex factor of one patient."""
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
"""Cortex by family, fitted so that simulated DXA matches the population table (30 people of another seed
per family). Without it the family would predict the class, and areal density would vary less (SD 0.08
to 0.11 g/cm2) than in the table (0.126) and in the study (0.143): areal density of painted bodies rises
by 0.0017 to 0.0023 g/cm2 per mg/cm3 of trabecular density, that of the population by 0.0029."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LumbarCohort:
    """Patients without hyperostosis, split as in the study.

    Parameters
    ----------
    is_test : (patients,)
        Split by patient with equal shares of class, sex and age, balanced in height, weight and BMI.
        Scanners, kernels and the family of skeletons of test patients are not in the training part.
    """

    people: Population
    is_test: NDArray[np.bool_]
    seed: int

    def family(self, row: int) -> str:
        """Family of the skeleton of one patient."""
        return HELD_OUT_FAMILY if self.is_test[row] else FAMILIES[row % len(FAMILIES)]

    def subject(self, row: int) -> Subject:
        """One patient; the skeletons of test patients are of a family that is not in training."""
        subject = subject_of(self.people, row)
        family = self.family(row)
        form = draw_form(subject.seed, family)
        return replace(subject, form=form, cortex=CORTEX[family].at(subject))

    def labelled(self, row: int) -> Subject:
        """Patient whose DXA is the label: here the scanned one."""
        return self.subject(row)

    def scanner(self, row: int) -> Scanner:
        """Scanner of one patient: 120 kV as in the study, slices of 1 to 5 mm."""
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
