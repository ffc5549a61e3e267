"""The mean-HU baseline, compared with the Monte Carlo of docs/domain.md C5."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.cohort.people.densitometry import qct_class
from training.cohort.people.population import draw_population, seeds_of
from training.cohort.people.studies import study_groups
from training.statistics.errors import UnusableSample
from training.statistics.multiclass import one_vs_rest
from training.tables.baseline import (
    QCT_CUTS_MG_CM3,
    T_SCORE_CUTS,
    class_probabilities,
    fit_baseline,
)


@pytest.fixture(scope="module")
def chest():
    return draw_population(seeds_of(41, 4000), study_groups("chest")).qct_vbmd_mg_cm3


@pytest.mark.parametrize(
    ("error", "accuracy", "areas"),
    [
        (3, 0.969, (0.999, 0.996, 0.999)),
        (5, 0.949, (0.997, 0.990, 0.998)),
        (8, 0.918, (0.991, 0.973, 0.994)),
        (10, 0.898, (0.986, 0.957, 0.991)),
        (12, 0.878, (0.981, 0.943, 0.987)),
        (15, 0.849, (0.971, 0.915, 0.980)),
    ],
)
def test_a_reading_with_error_has_the_expected_accuracy(chest, error, accuracy, areas):
    """docs/domain.md C5: model 1 of study 4 is equal to a reading with an error of 10 mg/cm3."""
    reading = chest + np.random.default_rng(1).normal(0, error, len(chest))
    probabilities = class_probabilities(reading, error, QCT_CUTS_MG_CM3)
    truth = qct_class(chest)
    found = [one.value for one in one_vs_rest(truth, probabilities)]
    assert found == pytest.approx(areas, abs=0.012)
    assert np.mean(qct_class(reading) == truth) == pytest.approx(accuracy, abs=0.015)


def test_the_fit_recovers_the_line_and_its_sd():
    draws = np.random.default_rng(2)
    hu = draws.normal(140, 40, 3000)
    found = fit_baseline(hu, 0.8 * hu + 5 + draws.normal(0, 7, 3000))
    assert found.slope == pytest.approx(0.8, abs=0.02)
    assert found.residual_sd == pytest.approx(7, abs=0.3)
    assert found.density([100.0]) == pytest.approx([85], abs=1)
    assert found.probabilities([100.0], QCT_CUTS_MG_CM3)[0].argmax() == 1


@given(st.lists(st.floats(-6, 4), min_size=1, max_size=30), st.floats(0.05, 3))
def test_probabilities_of_the_classes_add_up(readings, error):
    found = class_probabilities(readings, error, T_SCORE_CUTS)
    assert found.sum(axis=1) == pytest.approx(np.ones(len(readings)))
    assert found.min() >= 0


def test_data_without_a_fit_is_refused():
    with pytest.raises(UnusableSample, match="a spread"):
        fit_baseline([100.0, 100.0, 100.0], [1.0, 2.0, 3.0])
    with pytest.raises(UnusableSample, match="rising cuts"):
        class_probabilities([1.0], 1.0, (120.0, 80.0))
