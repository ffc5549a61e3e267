"""Cohort of study 3: candidates of each part, and their scanners.

The number of candidates of a part is unlimited. They are included in order until the part has as many
patients of each class as in the study. DXA gives the class, so it is not drawn here.
"""

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np

from training.cohort.dxa.hip import HipScan
from training.cohort.people.densitometry import who_class
from training.cohort.people.form import HELD_OUT_FAMILY, TRAINING_FAMILIES, draw_form
from training.cohort.people.population import draw_population
from training.cohort.people.studies import study_groups
from training.cohort.people.subject import Subject, subject_of
from training.cohort.scan.equipment import HELD_OUT, TRAINING, KernelFamily, ScannerModel
from training.cohort.scan.scanner import Scanner
from training.tables.published import STUDY_3_PATIENTS

PARTS: Final = tuple(STUDY_3_PATIENTS)
CLASS_COUNTS: Final = STUDY_3_PATIENTS
"""Patients of each class (normal, osteopenia, osteoporosis) by part."""
FIRST_SEED: Final = MappingProxyType({"train": 300_000, "validation": 500_000, "test": 700_000})

TEST_SLICE_MM: Final = 1.25
SLICES_MM: Final = (1.0, 1.25, 1.5, 2.0)
"""Slices of development patients: more than the study's 1.25 mm, since a node receives others too."""
MAS: Final = (50, 120)
"""The study's dose-length product of 241 mGy cm over half a metre corresponds to about 70 mAs at 120 kV."""
ITERATIVE: Final = 0.6
PIXEL_MM: Final = (0.7, 0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One virtual patient and the scan of one hip.

    Parameters
    ----------
    side
        1 left, -1 right.
    """

    part: str
    number: int
    subject: Subject
    side: int
    scanner: Scanner
    pixel_mm: float


def candidate(part: str, number: int, seed: int = 1) -> Candidate:
    """Draw a candidate of a part.

    Scanner, kernels and the family of skeletons of test patients are in no other part. All scans are at
    120 kV with the low dose of the study.
    """
    is_test = part == "test"
    own = seed * 1_000_000 + FIRST_SEED[part] + number
    person = subject_of(draw_population(np.array([own], np.int64), study_groups("femur")), 0)
    family = HELD_OUT_FAMILY if is_test else TRAINING_FAMILIES[number % len(TRAINING_FAMILIES)]
    rng = np.random.default_rng([own, 3])
    models: tuple[ScannerModel, ...] = HELD_OUT if is_test else TRAINING
    model = models[rng.integers(len(models))]
    kernel = KernelFamily.SMOOTH if rng.random() < 0.5 else KernelFamily.STANDARD
    slice_mm = TEST_SLICE_MM if is_test else float(rng.choice(SLICES_MM))
    return Candidate(
        part=part,
        number=number,
        subject=replace(person, form=draw_form(person.seed, family)),
        side=1 if rng.random() < 0.5 else -1,
        scanner=Scanner(
            model=model,
            kernel=model.kernel(kernel.value).name,
            mas=int(rng.uniform(*MAS)),
            slice_thickness_mm=slice_mm,
            iterative=ITERATIVE,
        ),
        pixel_mm=round(float(rng.uniform(*PIXEL_MM)), 3),
    )


def bone_status(hip: HipScan) -> int:
    """0 normal, 1 osteopenia, 2 osteoporosis: by the lower T-score of femoral neck and total hip.

    The study does not state the site of its T-score (docs/domain.md 1.D).
    """
    assert hip.neck.t_score is not None
    assert hip.total.t_score is not None
    return int(who_class(min(hip.neck.t_score, hip.total.t_score)))
