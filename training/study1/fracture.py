"""Fracture-association index of study 1 on simulated studies of the published size (no images).

Group A has 30 fracture patients and 138 controls without hyperostosis. A logistic model is fitted on
80 % of them with DXA and tested on the others. Group B has 41 fracture patients and 30 controls with
hyperostosis. It is scored with the same coefficients, once with DXA and once with an estimate from
trabecular bone (docs/domain.md 1.A, 3.7).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from training.cohort.people.densitometry import DXA_LEVELS, areal_density
from training.cohort.people.population import LUMBAR, Population, draw_population, seeds_of
from training.cohort.people.studies import LUMBAR_AREAL_SHIFT_G_CM2, Scenario, lumbar_groups
from training.statistics.clustered import clustered_test
from training.statistics.delong import auc, delong_test
from training.statistics.estimate import Comparison
from training.statistics.sample import BoolArray, FloatArray
from training.statistics.splits import repeated_splits
from training.study1.fracture_index import Fit, Vertebrae, fit, join, vertebrae_of
from training.tables.published import STUDY_1_FRACTURE

TEST_SHARE: Final = 0.2
KEPT_SHARE: Final = 209 / 284
"""Share of unfractured levels of fracture patients; the fractured ones are excluded."""
COUNTS: Final = {
    "main": STUDY_1_FRACTURE["group A control"],
    "fracture": STUDY_1_FRACTURE["group A fracture"],
    "hyperostotic control": STUDY_1_FRACTURE["group B control"],
    "hyperostotic fracture": STUDY_1_FRACTURE["group B fracture"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderError:
    """Standard deviation of the error of an estimated areal density: per level, and per patient."""

    level_g_cm2: float
    patient_g_cm2: float = 0.0


AS_THE_NETWORK: Final = ReaderError(level_g_cm2=0.036, patient_g_cm2=0.027)
"""Error of the shipped network on the 138 virtual test patients of study 1 (docs/results)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Patients of one simulated study.

    Parameters
    ----------
    group_b_predicted
        The rows of ``group_b`` with the estimate from trabecular bone as areal density.
    group_b_vbmd : (n,)
        Trabecular density of the same rows, mg/cm3, for the baseline.
    """

    group_a: Vertebrae
    group_b: Vertebrae
    group_b_predicted: Vertebrae
    group_b_vbmd: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class FractureStudy:
    """Results of one simulated study; AUC over vertebrae, as in the paper.

    Parameters
    ----------
    b_vbmd
        AUC of trabecular density alone, without age, sex and body mass index.
    by_vertebra, by_patient
        Group B, predicted against DXA: DeLong's test as in the paper, and Obuchowski's test, which
        accounts for several vertebrae per patient.
    """

    a_dxa: float
    b_dxa: float
    b_predicted: float
    b_vbmd: float
    by_vertebra: Comparison
    by_patient: Comparison


def draw_tables(
    scenario: Scenario,
    seed: int,
    *,
    error: ReaderError = AS_THE_NETWORK,
    kept_share: float = KEPT_SHARE,
) -> Tables:
    """Draw the patients of one study of the published size."""
    groups = {one.name: one for one in lumbar_groups(scenario)}
    draws = np.random.default_rng([seed, 11])
    dxa, predicted, vbmd = {}, {}, {}
    for number, (name, count) in enumerate(COUNTS.items()):
        people = draw_population(seeds_of(seed * 10 + number, count), (groups[name],))
        kept = _kept(people, draws, kept_share)
        # The network was trained on the areal density of this cohort, which includes its shift.
        estimate = predicted_abmd(people, draws, error) + LUMBAR_AREAL_SHIFT_G_CM2
        dxa[name] = vertebrae_of(people, people.abmd_g_cm2, kept)
        predicted[name] = vertebrae_of(people, estimate, kept)
        vbmd[name] = people.vbmd_mg_cm3[:, LUMBAR][kept]
    group_b = ("hyperostotic control", "hyperostotic fracture")
    return Tables(
        group_a=join([dxa["main"], dxa["fracture"]]),
        group_b=join([dxa[name] for name in group_b]),
        group_b_predicted=join([predicted[name] for name in group_b]),
        group_b_vbmd=np.concatenate([vbmd[name] for name in group_b]),
    )


def predicted_abmd(
    people: Population, draws: np.random.Generator, error: ReaderError
) -> FloatArray:
    """(n, 4) areal density estimated from trabecular bone, without cortex and osteophytes."""
    off = error.level_g_cm2 * draws.standard_normal((len(people), len(DXA_LEVELS)))
    if error.patient_g_cm2:
        off += error.patient_g_cm2 * draws.standard_normal((len(people), 1))
    return areal_density(people.vbmd_mg_cm3[:, LUMBAR], off)


def _kept(people: Population, draws: np.random.Generator, share: float) -> BoolArray:
    """(n, 4) levels that are not fractured; every patient has at least one."""
    kept = np.ones((len(people), len(DXA_LEVELS)), bool)
    lost = draws.random(kept.shape) > share
    lost[np.arange(len(people)), draws.integers(len(DXA_LEVELS), size=len(people))] = False
    kept[people.is_case] = ~lost[people.is_case]
    return kept


def split_areas(tables: Tables, *, repeats: int, seed: int) -> tuple[FloatArray, Fit]:
    """AUC of group A's test part over splits by patient, and the model of the first split.

    Returns
    -------
    areas : (repeats,)
    first : Fit
    """
    group_a = tables.group_a
    areas, fits = [], []
    for train, test in repeated_splits(
        group_a.patient, group_a.is_case, test_share=TEST_SHARE, repeats=repeats, seed=seed
    ):
        fitted = fit(group_a.rows(train))
        held_out = group_a.rows(test)
        areas.append(auc(held_out.is_case, fitted.log_odds(held_out)))
        fits.append(fitted)
    return np.array(areas), fits[0]


def compare(tables: Tables, fitted: Fit, a_dxa: float) -> FractureStudy:
    """Score group B with DXA and with the estimate, and test the difference of the AUCs."""
    truth, patient = tables.group_b.is_case, tables.group_b.patient
    dxa = fitted.log_odds(tables.group_b)
    predicted = fitted.log_odds(tables.group_b_predicted)
    return FractureStudy(
        a_dxa=a_dxa,
        b_dxa=auc(truth, dxa),
        b_predicted=auc(truth, predicted),
        b_vbmd=auc(truth, -tables.group_b_vbmd),
        by_vertebra=delong_test(truth, predicted, dxa),
        by_patient=clustered_test(truth, predicted, dxa, patient),
    )


def simulate(scenario: Scenario, seed: int) -> FractureStudy:
    """Simulate one study: draw patients, split once, fit, score."""
    return analyse(draw_tables(scenario, seed), seed)


def analyse(tables: Tables, seed: int) -> FractureStudy:
    """Split group A once, fit, and score both groups."""
    areas, fitted = split_areas(tables, repeats=1, seed=seed)
    return compare(tables, fitted, float(areas[0]))
