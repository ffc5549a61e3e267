"""Make further training patients with osteophytes; their label is areal density without osteophytes.

    python -m training.study1.osteophytes --out runs/study1/osteophytes --patients 120 --jobs 2
    python -m training.study1.train bmd --examples runs/study1/examples --more runs/study1/osteophytes

This extends the study, which trains on spines without hyperostosis only. A network trained without
osteophytes adds them to the density, as DXA does (`training.study1.hyperostosis`).
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from training.cohort.people.densitometry import DXA_LEVELS
from training.cohort.people.population import draw_population, seeds_of
from training.cohort.people.studies import lumbar_groups
from training.cohort.people.subject import Subject
from training.study1.examples import make_examples
from training.study1.fracture_plan import with_lips
from training.study1.plan import LumbarCohort

SEED: Final = 31
LONGEST_MM: Final = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OsteophyteCohort(LumbarCohort):
    """Training patients of the usual families and scanners; osteophytes differ between levels."""

    def subject(self, row: int) -> Subject:
        """The patient to scan, with osteophytes."""
        rng = np.random.default_rng([self.seed, row, 5])
        usual = rng.uniform(0, LONGEST_MM)
        lips = np.clip(usual + rng.normal(0, 2, len(DXA_LEVELS)), 0, LONGEST_MM)
        levels = {level: float(one) for level, one in zip(DXA_LEVELS, lips, strict=True)}
        return with_lips(LumbarCohort.subject(self, row), levels)

    def labelled(self, row: int) -> Subject:
        """The same patient without osteophytes, for the DXA label."""
        return LumbarCohort.subject(self, row)


def plan_osteophytes(patients: int, seed: int = SEED) -> OsteophyteCohort:
    """Draw patients as in the main group of the study; all of them are training patients."""
    people = draw_population(seeds_of(seed, patients), lumbar_groups()[:1])
    return OsteophyteCohort(people=people, is_test=np.zeros(patients, bool), seed=seed)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--patients", type=int, default=120)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args()
    make_examples(plan_osteophytes(args.patients, args.seed), args.out, jobs=args.jobs)


if __name__ == "__main__":
    main()
