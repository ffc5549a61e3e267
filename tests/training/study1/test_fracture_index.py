"""Fit of the fracture-association index, and the scenarios of study 1."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from models.cards import WEIGHTS_FOLDER, ModelCard
from models.coefficients import LinearModel, linear_model
from pipelines.secondary.dxa_equivalent.fracture_index import MODEL
from training.cohort.people.population import draw_population, seeds_of
from training.cohort.people.studies import PAPER_LIKE, SCENARIOS, Scenario, study_groups
from training.cohort.people.table import write_table
from training.statistics.errors import UnusableSample
from training.study1.fracture import ReaderError, analyse, draw_tables, simulate
from training.study1.fracture_index import Vertebrae, as_model, fit, read_vertebrae, virtual_group_a

HEADER = "patient,is_case,age_years,sex,bmi_kg_m2," + ",".join(
    f"abmd_L{n}_g_cm2" for n in range(1, 5)
)


# docs/domain.md 3.7: AUC of group A by DXA, of group B by DXA, and of group B by an estimate with an
# error of .03 g/cm2 per vertebra.
SPECIFIED = ReaderError(level_g_cm2=0.03)
SPECIFIED_AUC = (
    (
        Scenario(name="shift -25, no offset", case_shift_mg_cm3=-25.0),
        (0.87, 0.75, 0.76),
    ),
    (
        replace(SCENARIOS["non-differential"], name="shift -25, equal offsets .20 (.12)"),
        (0.87, 0.72, 0.76),
    ),
    (
        Scenario(
            name="shift -25, equal offsets .20 (.25)",
            case_shift_mg_cm3=-25.0,
            case_offset_g_cm2=(0.20, 0.25),
            control_offset_g_cm2=(0.20, 0.25),
        ),
        (0.87, 0.68, 0.76),
    ),
    (
        Scenario(
            name="shift -25, offsets .32 against .10, controls +10",
            case_shift_mg_cm3=-25.0,
            control_shift_mg_cm3=10.0,
            case_offset_g_cm2=(0.32, 0.12),
            control_offset_g_cm2=(0.10, 0.12),
        ),
        (0.87, 0.50, 0.80),
    ),
    (
        replace(SCENARIOS["paper-like"], name="shift -50, offsets .32 against .08"),
        (0.92, 0.46, 0.89),
    ),
    (
        Scenario(
            name="shift -40, offsets .40 against .15, controls +10",
            case_shift_mg_cm3=-40.0,
            control_shift_mg_cm3=10.0,
            case_offset_g_cm2=(0.40, 0.12),
            control_offset_g_cm2=(0.15, 0.12),
        ),
        (0.905, 0.46, 0.885),
    ),
)
AUC_SD = (0.08, 0.09, 0.09)


def test_the_fit_finds_the_coefficients_of_the_simulated_cases():
    draws = np.random.default_rng(1)
    inputs = np.column_stack(
        [
            draws.normal(60, 10, 8000),
            draws.integers(0, 2, 8000),
            draws.normal(24, 3, 8000),
            draws.normal(0.9, 0.14, 8000),
        ]
    )
    true = np.array([2.0, 0.06, -0.3, 0.05, -8.0])
    is_case = draws.random(8000) < 1 / (1 + np.exp(-(inputs @ true[1:] + true[0])))
    found = fit(Vertebrae(patient=np.arange(8000), is_case=is_case, inputs=inputs))
    assert np.all(np.abs(found.coefficients - true) < 4 * found.standard_errors)


def test_standard_errors_are_clustered_by_patient():
    table = virtual_group_a(600, seed=4, scenario=PAPER_LIKE.name)
    alone = Vertebrae(patient=np.arange(len(table)), is_case=table.is_case, inputs=table.inputs)
    assert fit(table).coefficients == pytest.approx(fit(alone).coefficients)
    assert fit(table).standard_errors[1] > 1.3 * fit(alone).standard_errors[1]


def test_shipped_coefficients_are_those_of_the_virtual_cohort():
    """A fit on a tenth of the patients with another seed agrees within its standard errors."""
    found = fit(virtual_group_a(2000, seed=9, scenario=PAPER_LIKE.name))
    shipped = linear_model(MODEL)
    weights = np.array([shipped.intercept, *(term.coefficient for term in shipped.terms)])
    assert np.all(np.abs(found.coefficients - weights) < 4 * found.standard_errors)


def test_the_formula_gives_the_fitted_log_odds():
    table = virtual_group_a(300, seed=5, scenario=PAPER_LIKE.name)
    fitted = fit(table)
    model = as_model(fitted).model_copy(update={"link": "identity"})
    values = dict(zip((term.name for term in model.terms), table.inputs[3], strict=True))
    assert model.value(values) == pytest.approx(fitted.log_odds(table)[3], rel=1e-4)


def test_a_table_of_the_cohort_is_read_level_by_level(tmp_path):
    people = draw_population(seeds_of(3, 40), study_groups("lumbar"))
    write_table(people, tmp_path / "people.csv", study="lumbar")
    everyone = read_vertebrae(tmp_path / "people.csv")
    assert len(everyone) == 160
    assert everyone.inputs[:4, 3] == pytest.approx(people.abmd_g_cm2[0], abs=1e-4)
    main = read_vertebrae(tmp_path / "people.csv", ("main",))
    assert len(main) == 4 * np.count_nonzero(people.group == "main")
    assert not main.is_case.any()


def test_levels_of_a_hospitals_table_may_be_empty(tmp_path):
    file = tmp_path / "patients.csv"
    file.write_text(f"{HEADER}\nA,1,70,F,24,0.7,,0.8,\nB,0,60,M,25,1.0,1.1,1.0,1.2\n")
    found = read_vertebrae(file)
    assert found.patient.tolist() == ["A", "A", "B", "B", "B", "B"]
    assert found.inputs[1].tolist() == [70, 1, 24, 0.8]


@pytest.mark.parametrize(
    "broken", ["A,1,seventy,F,24,0.7,,,", "A,1,70,X,24,0.7,,,", "A,,70,F,24,1,,,"]
)
def test_the_error_for_a_bad_value_has_its_line(tmp_path, broken):
    file = tmp_path / "patients.csv"
    file.write_text(f"{HEADER}\nB,0,60,M,25,1.0,1.1,1.0,1.2\n{broken}\n")
    with pytest.raises(UnusableSample, match=r"patients\.csv, line 3"):
        read_vertebrae(file)


def test_the_command_writes_a_model_and_its_card(tmp_path):
    arguments = ["--out", str(tmp_path), "--patients", "400", "--seed", "2"]
    subprocess.run([sys.executable, "-m", "training.study1.fracture_index", *arguments], check=True)
    card = ModelCard.model_validate_json((tmp_path / f"{MODEL}.json").read_text("utf-8"))
    assert LinearModel.model_validate_json((tmp_path / card.file).read_text("utf-8"))
    assert "No real patient" in card.training_data
    shipped = json.loads((WEIGHTS_FOLDER / f"{MODEL}.json").read_text("utf-8"))
    assert card.sha256 != shipped["sha256"]
    assert card.intended_use == shipped["intended_use"]


def test_a_simulated_study_has_the_published_size():
    """It has 168 and 71 patients; only fracture patients lose levels, and each keeps one."""
    tables = draw_tables(PAPER_LIKE, seed=1)
    assert len(set(tables.group_a.patient)) == 168
    assert len(set(tables.group_b.patient)) == 71
    controls = np.count_nonzero(~tables.group_a.is_case)
    assert controls == 138 * 4
    cases = np.count_nonzero(tables.group_a.is_case) + np.count_nonzero(tables.group_b.is_case)
    assert abs(cases - 209) < 30


@pytest.mark.parametrize(
    ("scenario", "specified"), SPECIFIED_AUC, ids=[one.name for one, _ in SPECIFIED_AUC]
)
def test_fracture_scenarios_give_the_specified_discrimination(scenario, specified):
    """The mean of 12 simulated studies lies within 3 times the stated SD of one study over root 12."""
    runs = [
        analyse(draw_tables(scenario, seed, error=SPECIFIED, kept_share=1), seed)
        for seed in range(12)
    ]
    found = np.mean([(run.a_dxa, run.b_dxa, run.b_predicted) for run in runs], axis=0)
    assert (np.abs(found - specified) < 3 * np.array(AUC_SD) / np.sqrt(12)).all(), found


def test_nothing_discriminates_in_the_null_scenario():
    """All AUCs are close to 0.5."""
    runs = [simulate(SCENARIOS["null"], seed) for seed in range(12)]
    for name in ("a_dxa", "b_dxa", "b_predicted"):
        found = np.mean([getattr(run, name) for run in runs])
        assert found == pytest.approx(0.5, abs=3 * 0.13 / np.sqrt(12))


def test_hyperostosis_lowers_the_auc_of_dxa_only_if_it_differs_between_cases_and_controls():
    """Means of 12 studies (docs/domain.md 3.7): .46 and .89 paper-like, .72 and .76 without difference."""
    found = {
        name: [simulate(scenario, seed) for seed in range(12)]
        for name, scenario in SCENARIOS.items()
    }
    dxa = {name: np.mean([one.b_dxa for one in runs]) for name, runs in found.items()}
    ct = {name: np.mean([one.b_predicted for one in runs]) for name, runs in found.items()}
    assert dxa["paper-like"] == pytest.approx(0.46, abs=0.1)
    assert ct["paper-like"] == pytest.approx(0.89, abs=0.06)
    assert dxa["non-differential"] == pytest.approx(0.72, abs=0.08)
    assert ct["non-differential"] == pytest.approx(0.76, abs=0.08)
    assert (dxa["null"], ct["null"]) == pytest.approx((0.5, 0.5), abs=0.08)
    assert all(one.by_patient.p < 0.05 for one in found["paper-like"])
