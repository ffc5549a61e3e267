"""Cohort of the fracture part of study 1: fracture patients, and people with hyperostosis.

    python -m training.study1.fracture_plan --scenario paper-like --out runs/study1/paper-like

`training.study1.fracture` adds an artefact to the areal density in a table. This module paints
osteophytes that add about as much, and simulates DXA and CT of the same bone. All patients are test
patients: their skeletons and scanners are those of the test part.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipelines.contract.anatomy import Level
from training.cohort.people.densitometry import AORTA_PER_100_MM3, DXA_LEVELS
from training.cohort.people.findings import Findings, LevelFindings
from training.cohort.people.population import Population, draw_population, joined, seeds_of
from training.cohort.people.studies import SCENARIOS, Scenario, lumbar_groups
from training.cohort.people.subject import OSTEOPHYTE_MM, Subject
from training.study1.examples import make_examples
from training.study1.plan import LumbarCohort

SCANNED: Final = ("fracture", "hyperostotic control", "hyperostotic fracture")
"""Groups to scan; the controls of group A are the test part of the networks."""
ARTEFACT_G_CM2: Final = (0.0, 0.05, 0.14, 0.37, 0.55)
LIPS_MM: Final = (0.0, 3.5, 6.0, 9.0, 12.0)
"""Osteophytes of LIPS_MM at both end plates add ARTEFACT_G_CM2 to areal density by simulated DXA: mean
of L1 to L4 of two patients. The last pair is extrapolated linearly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FractureCohort(LumbarCohort):
    """Patients of one simulated study, all of them test patients.

    Their fractures lie at other levels; L1 to L4 are not fractured.
    """

    def subject(self, row: int) -> Subject:
        """One patient, with osteophytes that add the artefact of the scenario."""
        # super() fails here: a dataclass with slots replaces the class in which it was written.
        subject = LumbarCohort.subject(self, row)
        lips = float(np.interp(artefact_g_cm2(self.people)[row], ARTEFACT_G_CM2, LIPS_MM))
        return with_lips(subject, dict.fromkeys(DXA_LEVELS, lips))


def with_lips(subject: Subject, lips_mm: Mapping[Level, float]) -> Subject:
    """Add osteophytes of the given length at both end plates of the given levels."""
    findings = {
        level: LevelFindings(
            kellgren_lawrence=int(np.searchsorted(OSTEOPHYTE_MM, lips, side="right")) - 1,
            osteophyte_mm=round(lips, 1),
        )
        for level, lips in lips_mm.items()
        if lips > 0
    }
    return replace(subject, findings=Findings(levels=findings)) if findings else subject


def artefact_g_cm2(people: Population) -> NDArray[np.float64]:
    """(n,) artefact that the population adds to the areal density of every level, without the aorta."""
    plaques = 1 + AORTA_PER_100_MM3 * people.aorta_mm3 / 100
    return np.asarray(
        (people.abmd_g_cm2 / plaques[:, None] - people.native_abmd_g_cm2).mean(axis=1)
    )


def plan_fracture_cohort(scenario: Scenario, seed: int = 1) -> FractureCohort:
    """Draw one study of the published size."""
    groups = {one.name: one for one in lumbar_groups(scenario)}
    parts = []
    for number, name in enumerate(SCANNED, start=1):
        group = groups[name]
        if group.offset_g_cm2 is None:  # no hyperostosis, as in group A
            group = replace(group, offset_g_cm2=(0.0, 0.0))
        parts.append(draw_population(seeds_of(seed * 10 + number, group.weight), (group,)))
    people = joined(parts)
    return FractureCohort(people=people, is_test=np.ones(len(people), bool), seed=seed)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="paper-like")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    make_examples(
        plan_fracture_cohort(SCENARIOS[args.scenario], args.seed), args.out, jobs=args.jobs
    )


if __name__ == "__main__":
    main()
