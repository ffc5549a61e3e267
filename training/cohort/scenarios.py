"""Fracture association of study 1 in numbers: how well DXA and a trabecular estimate discriminate.

Takes  Scenario
Gives  Discrimination
Next   nothing

A Monte Carlo over whole studies, each of the published size: group A (30 fracture patients, 138
controls, logistic model on age, sex, body mass index and areal density, fitted on 80 %), group B
(41 and 30 with hyperostosis, only scored).

Source
------
Study 1, sections on external validation; domain specification 3.7.
"""

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.cohort.densitometry import DXA_LEVELS, Values, areal_density
from training.cohort.population import LUMBAR, Population, draw_population, seeds_of
from training.cohort.studies import SCENARIOS, Group, Scenario, lumbar_groups


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderError:
    """Standard deviation of an estimate of areal density: common to a patient, and per level."""

    level_g_cm2: float
    patient_g_cm2: float = 0.0


SPECIFIED: Final = ReaderError(level_g_cm2=0.03)
"""Of the cohort specification: at one vertebra, beside the cortex it does not see."""
AS_THE_NETWORK: Final = ReaderError(level_g_cm2=0.036, patient_g_cm2=0.027)
"""Of the shipped network on the 138 virtual test patients of study 1 (docs/results)."""
FITTED_SHARE: Final = 0.8
PATIENTS: Final = MappingProxyType(
    {"main": 138, "fracture": 30, "hyperostotic control": 30, "hyperostotic fracture": 41}
)

OFFSETS_20: Final = (0.20, 0.12)
TABLE: Final = (
    Scenario(name="shift -25, no offset", case_shift_mg_cm3=-25.0),
    replace(SCENARIOS["non-differential"], name="shift -25, equal offsets .20 (.12)"),
    Scenario(
        name="shift -25, equal offsets .20 (.25)",
        case_shift_mg_cm3=-25.0,
        case_offset_g_cm2=(0.20, 0.25),
        control_offset_g_cm2=(0.20, 0.25),
    ),
    Scenario(
        name="shift -25, offsets .32 against .10, controls +10",
        case_shift_mg_cm3=-25.0,
        control_shift_mg_cm3=10.0,
        case_offset_g_cm2=(0.32, 0.12),
        control_offset_g_cm2=(0.10, 0.12),
    ),
    replace(SCENARIOS["paper-like"], name="shift -50, offsets .32 against .08"),
    Scenario(
        name="shift -40, offsets .40 against .15, controls +10",
        case_shift_mg_cm3=-40.0,
        control_shift_mg_cm3=10.0,
        case_offset_g_cm2=(0.40, 0.12),
        control_offset_g_cm2=(0.15, 0.12),
    ),
)
"""The rows of the table in the domain specification 3.7."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrimination:
    """Areas under the ROC curves of one simulated study.

    Parameters
    ----------
    a_dxa
        Group A, test part, areal density by DXA.
    b_dxa, b_predicted
        Group B, by DXA and by the estimate from trabecular bone.
    """

    a_dxa: float
    b_dxa: float
    b_predicted: float


def simulate_study(scenario: Scenario, seed: int) -> Discrimination:
    """Draw the patients of one study, fit on group A and score group B."""
    groups = {one.name: one for one in lumbar_groups(scenario)}
    people = [
        _people(groups[name], count, seed * 10 + number)
        for number, (name, count) in enumerate(PATIENTS.items())
    ]
    rng = np.random.default_rng([seed, 7])
    control, fracture, b_control, b_fracture = people
    fitted_x, fitted_y, test_x, test_y = [], [], [], []
    for one, is_case in ((control, 0), (fracture, 1)):
        order = rng.permutation(len(one))
        cut = int(np.ceil(FITTED_SHARE * len(one)))
        rows = _rows(one, one.abmd_g_cm2)
        fitted_x.append(rows[order[:cut]].reshape(-1, rows.shape[-1]))
        test_x.append(rows[order[cut:]].reshape(-1, rows.shape[-1]))
        fitted_y.append(np.full(len(fitted_x[-1]), is_case))
        test_y.append(np.full(len(test_x[-1]), is_case))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=np.inf, max_iter=500))
    model.fit(np.concatenate(fitted_x), np.concatenate(fitted_y))

    def auc(rows: Values, is_case: Values) -> float:
        return float(roc_auc_score(is_case, model.decision_function(rows)))

    return Discrimination(
        a_dxa=auc(np.concatenate(test_x), np.concatenate(test_y)),
        b_dxa=auc(*_group_b(b_control, b_fracture)),
        b_predicted=auc(*_group_b(b_control, b_fracture, rng)),
    )


def _people(group: Group, count: int, seed: int) -> Population:
    return draw_population(seeds_of(seed, count), (group,))


def _rows(people: Population, abmd: Values) -> Values:
    """(n, 4, 4): age, sex, body mass index and areal density of every level of every patient."""
    patient = np.stack([people.age_years, people.sex == "F", people.bmi_kg_m2], axis=1)
    levels = np.repeat(patient[:, None, :], len(DXA_LEVELS), axis=1)
    return np.concatenate([levels, abmd[:, :, None]], axis=2)


def _group_b(
    control: Population, fracture: Population, rng: np.random.Generator | None = None
) -> tuple[Values, Values]:
    """Rows and case status; with DXA, or with the estimate where random errors are given."""
    rows, is_case = [], []
    for one, status in ((control, 0.0), (fracture, 1.0)):
        abmd = one.abmd_g_cm2 if rng is None else predicted_abmd(one, rng)
        rows.append(_rows(one, abmd).reshape(-1, 4))
        is_case.append(np.full(len(rows[-1]), status))
    return np.concatenate(rows), np.concatenate(is_case)


def predicted_abmd(
    people: Population, rng: np.random.Generator, error: ReaderError = SPECIFIED
) -> Values:
    """(n, 4) areal density as a reader of trabecular bone estimates it: no cortex, no osteophyte."""
    off = error.level_g_cm2 * rng.standard_normal((len(people), len(DXA_LEVELS)))
    if error.patient_g_cm2:
        off += error.patient_g_cm2 * rng.standard_normal((len(people), 1))
    return areal_density(people.vbmd_mg_cm3[:, LUMBAR], off)


def main() -> None:
    """Print mean and SD of each area over 40 studies of every scenario, as Markdown."""
    print("| scenario | A DXA | B DXA | B predicted |\n|---|---|---|---|")
    for scenario in (*TABLE, SCENARIOS["null"]):
        runs = [simulate_study(scenario, seed) for seed in range(40)]
        columns = ([getattr(run, name) for run in runs] for name in Discrimination.__slots__)
        cells = (f"{np.mean(column):.2f} ± {np.std(column):.2f}" for column in columns)
        print(f"| {scenario.name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
