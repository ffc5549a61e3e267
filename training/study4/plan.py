"""Cohort of study 4: its subjects, their scanners, and the split into parts."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from pipelines.density.categories import LOW_MG_CM3, VERY_LOW_MG_CM3
from training.cohort.people.findings import Findings
from training.cohort.people.form import HELD_OUT_FAMILY, TRAINING_FAMILIES, draw_form
from training.cohort.people.population import Population, draw_population, seeds_of
from training.cohort.people.studies import study_groups
from training.cohort.people.subject import Subject, findings_of, subject_of
from training.cohort.scan.equipment import HELD_OUT, TRAINING
from training.cohort.scan.scanner import Scanner

SIZES: Final = (530, 100, 418)
"""Training, validation and test subjects of the study's classifier."""
CLASSES: Final = ("normal", "osteopenia", "osteoporosis")
"""Classes by quantitative CT, in the order of the network's outputs."""

SLICE_MM: Final = 2.0
FIELD_OF_VIEW_MM: Final = (330.0, 430.0)
MATRIX: Final = 512
MAS: Final = (50, 160)
"""Tube current-time product of a chest CT of a health check (assumed; the study states only 120 kVp)."""


class Part(StrEnum):
    """Part of the cohort that a subject belongs to."""

    TRAINING = "training"
    VALIDATION = "validation"
    TEST = "test"


def qct_class(vbmd_mg_cm3: NDArray[np.float64]) -> NDArray[np.int_]:
    """0 normal (above 120 mg/cm3), 1 osteopenia (80 to 120, ends included), 2 osteoporosis."""
    low = vbmd_mg_cm3 < VERY_LOW_MG_CM3
    between = ~low & (vbmd_mg_cm3 <= LOW_MG_CM3)
    return np.asarray(2 * low + between, np.int_)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChestCohort:
    """Subjects of a health check, split once for segmentation and classification.

    Parameters
    ----------
    part : (subjects,)
        `Part`. Segmentation and classification share one split, so that no test subject of one is in
        the training data of the other. The study has two splits and does not state whether they
        overlap. Scanner and family of skeletons of test subjects are not in the training part.
    """

    people: Population
    part: NDArray[np.str_]
    seed: int

    def is_test(self, row: int) -> bool:
        """Whether a subject is held out."""
        return bool(self.part[row] == Part.TEST)

    def subject(self, row: int) -> Subject:
        """One subject with degeneration and plaques, without the findings that the study excluded.

        There are no fractures, implants and lesions; L1 to L4 have K-L grade 3 at most.
        """
        subject = subject_of(self.people, row)
        found = findings_of(self.people, row)
        levels = {
            level: replace(
                found.at(level), bridging=False, fracture="", height_loss=0.0, cement_ml=0.0,
                screws=False, metastasis="", metastasis_mm=0.0, haemangioma_mm=0.0,
                schmorl_mm=0.0, endplate_sclerosis_mm=0.0,
            )
            for level in found.levels
        }  # fmt: skip
        family = (
            HELD_OUT_FAMILY
            if self.is_test(row)
            else TRAINING_FAMILIES[row % len(TRAINING_FAMILIES)]
        )
        return replace(
            subject,
            form=draw_form(subject.seed, family),
            findings=Findings(levels=levels, plaque_mm3=found.plaque_mm3),
        )

    def scanner(self, row: int) -> Scanner:
        """Scanner of one subject: 120 kVp and slices of 2 mm, as in the study."""
        rng = np.random.default_rng([self.seed, row])
        models = HELD_OUT if self.is_test(row) else TRAINING
        model = models[rng.integers(len(models))]
        family = "smooth" if rng.random() < 0.5 else "standard"
        return Scanner(
            model=model,
            kernel=model.kernel(family).name,
            mas=int(rng.uniform(*MAS)),
            slice_thickness_mm=SLICE_MM,
        )

    def pixel_mm(self, row: int) -> float:
        """Pixel size: field of view of the scan divided by 512."""
        rng = np.random.default_rng([self.seed, row, 1])
        return round(float(rng.uniform(*FIELD_OF_VIEW_MM)) / MATRIX, 4)


def plan_cohort(sizes: tuple[int, int, int] = SIZES, seed: int = 4) -> ChestCohort:
    """Draw the subjects and split them at random, in equal shares of class."""
    people = draw_population(seeds_of(seed, sum(sizes)), study_groups("chest"))
    status = qct_class(people.qct_vbmd_mg_cm3)
    rest, test = train_test_split(
        np.arange(len(people)), test_size=sizes[2], stratify=status, random_state=seed
    )
    validation = train_test_split(
        rest, test_size=sizes[1], stratify=status[rest], random_state=seed
    )[1]
    part = np.full(len(people), Part.TRAINING.value, dtype="<U10")
    part[validation], part[test] = Part.VALIDATION.value, Part.TEST.value
    return ChestCohort(people=people, part=part, seed=seed)
