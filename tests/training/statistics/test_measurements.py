"""Agreement, reliability, calibration, decision curves and overlap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from tests.training.golden import table
from training.statistics.agreement import (
    bland_altman,
    concordance,
    mean_absolute_error,
    pearson,
    root_mean_square_error,
)
from training.statistics.calibration import calibration, fit_probability, reliability_curve
from training.statistics.decision_curve import decision_curve
from training.statistics.errors import UnusableSample
from training.statistics.intraclass import icc_2_1, icc_2_1_interval, icc_3_1
from training.statistics.overlap import overlap

SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)
"""Six subjects, four judges (Psychol Bull 1979;86:420, Table 2)."""

PEAK_FLOW = np.array(
    [
        (494, 512), (395, 430), (516, 520), (434, 428), (476, 500), (557, 600), (413, 364),
        (442, 380), (650, 658), (433, 445), (417, 432), (656, 626), (267, 260), (478, 477),
        (178, 259), (423, 350), (427, 451),
    ],
    float,
)  # fmt: skip
"""Wright and mini Wright meter, first readings (Bland and Altman, Lancet 1986;i:307), l/min."""


def test_intraclass_correlation_is_that_of_shrout_and_fleiss():
    """Their Table 4: ICC(2,1) 0.29, ICC(3,1) 0.71; pingouin prints more digits."""
    ratings = SHROUT_FLEISS[:, :, None]
    assert icc_2_1(ratings) == pytest.approx([0.289764], abs=1e-6)
    assert icc_3_1(ratings) == pytest.approx([0.714841], abs=1e-6)
    found = icc_2_1_interval(SHROUT_FLEISS)
    assert (round(found.ci_low, 2), round(found.ci_high, 2)) == (0.02, 0.76)


def test_intraclass_correlation_is_separate_for_each_feature():
    many = np.stack([SHROUT_FLEISS, -3 * SHROUT_FLEISS + 7, np.ones((6, 4))], axis=2)
    assert icc_2_1(many) == pytest.approx([0.289764, 0.289764, 0.0], abs=1e-6)


def test_a_shift_between_raters_lowers_absolute_agreement_only():
    shifted = np.stack([SHROUT_FLEISS[:, 0], SHROUT_FLEISS[:, 0] + 5], axis=1)[:, :, None]
    assert icc_3_1(shifted) == pytest.approx([1.0])
    assert icc_2_1(shifted)[0] < 0.3


def test_bland_altman_reproduces_the_peak_flow_example():
    """Lancet 1986: bias -2.1 (-22.0 to 17.8), SD 38.8, SE of a limit 16.3 l/min; limits at 1.96 SD."""
    found = bland_altman(PEAK_FLOW[:, 0], PEAK_FLOW[:, 1])
    assert found.standard_deviation == pytest.approx(38.8, abs=0.05)
    assert found.bias.value == pytest.approx(-2.1, abs=0.05)
    assert (found.bias.ci_low, found.bias.ci_high) == pytest.approx((-22.0, 17.8), abs=0.1)
    assert (found.lower.value, found.upper.value) == pytest.approx((-78.1, 73.9), abs=0.1)
    assert found.lower.standard_error == pytest.approx(16.3, abs=0.1)


def test_proportional_bias_is_found():
    draws = np.random.default_rng(0)
    reference = draws.normal(100, 20, 60)
    found = bland_altman(1.2 * reference + draws.normal(0, 2, 60), reference)
    assert found.slope.ci_low > 0.1
    assert found.slope_p < 0.001


def test_errors_and_correlation_of_a_small_table():
    measured, reference = [1.0, 2.0, 4.0], [1.0, 3.0, 2.0]
    assert mean_absolute_error(measured, reference) == pytest.approx(1.0)
    assert root_mean_square_error(measured, reference) == pytest.approx(np.sqrt(5 / 3))
    assert pearson(measured, reference).value == pytest.approx(
        np.corrcoef(measured, reference)[0, 1]
    )


@given(st.floats(-50, 50), st.floats(0.2, 5))
def test_concordance_never_exceeds_correlation(shift, scale):
    draws = np.random.default_rng(1)
    a = draws.normal(size=30)
    b = scale * (a + draws.normal(size=30)) + shift
    found = concordance(a, b)
    assert abs(found.value) <= abs(pearson(a, b).value) + 1e-12
    assert found.ci_low <= found.value <= found.ci_high


def test_concordance_of_perfect_agreement_is_one():
    assert concordance([1, 2, 3, 4], [1, 2, 3, 4]).value == pytest.approx(1.0)


def test_calibrated_probabilities_have_slope_one_and_intercept_zero():
    draws = np.random.default_rng(4)
    log_odds = draws.normal(-1, 1.5, 20_000)
    truth = draws.random(20_000) < 1 / (1 + np.exp(-log_odds))
    right = calibration(truth, 1 / (1 + np.exp(-log_odds)))
    assert right.slope.ci_low < 1 < right.slope.ci_high
    assert right.intercept.ci_low < 0 < right.intercept.ci_high
    extreme = calibration(truth, 1 / (1 + np.exp(-2 * log_odds)))
    assert extreme.slope.value == pytest.approx(right.slope.value / 2, abs=1e-3)
    high = calibration(truth, 1 / (1 + np.exp(-log_odds - 1)))
    assert high.intercept.value == pytest.approx(right.intercept.value - 1, abs=1e-3)
    curve = reliability_curve(truth, 1 / (1 + np.exp(-log_odds)))
    assert np.abs(curve.predicted - curve.observed).max() < 0.04


def test_a_score_becomes_a_probability_as_in_scikit_learn():
    columns = table("clustered")
    found = fit_probability(columns["truth"], 10 + 3 * columns["a"])
    expected = LogisticRegression(C=np.inf, tol=1e-10).fit(
        10 + 3 * columns["a"][:, None], columns["truth"]
    )
    assert found.slope == pytest.approx(expected.coef_[0, 0], abs=1e-5)
    assert found([10.0, 13.0]) == pytest.approx(
        expected.predict_proba([[10.0], [13.0]])[:, 1], abs=1e-5
    )
    with pytest.raises(UnusableSample, match="separates"):
        fit_probability([0, 0, 1], [1, 2, 3])
    with pytest.raises(UnusableSample, match="separates"):
        calibration([0, 0, 1], [0.1, 0.2, 0.3])


def test_brier_score_of_a_small_table():
    assert calibration([0, 1, 1, 0], [0.1, 0.9, 0.4, 0.6]).brier == pytest.approx(0.185)


def test_net_benefit_is_that_of_dcurves():
    columns = table("clustered")
    probability = 1 / (1 + np.exp(-(columns["a"] - 0.6)))
    found = decision_curve(columns["truth"], probability, [0.1, 0.2, 0.3, 0.5, 0.7])
    assert found.model == pytest.approx(
        [0.282986, 0.199219, 0.118304, -0.046875, -0.122396], abs=1e-6
    )
    assert found.treat_all == pytest.approx(
        [0.279514, 0.189453, 0.073661, -0.296875, -1.161458], abs=1e-6
    )


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=4, max_size=40))
def test_net_benefit_never_exceeds_the_share_of_cases(pairs):
    truth, probability = zip(*pairs, strict=True)
    if len(set(truth)) < 2:
        return
    found = decision_curve(truth, probability)
    assert found.model.max() <= np.mean(truth) + 1e-12


def test_probabilities_outside_zero_to_one_are_refused():
    with pytest.raises(UnusableSample, match="from 0 to 1"):
        calibration([0, 1], [0.1, 1.4])
    with pytest.raises(UnusableSample, match="between 0 and 1"):
        decision_curve([0, 1], [0.1, 0.4], [0.0])


def cube(start, size=4):
    mask = np.zeros((12, 12, 12), bool)
    mask[4:8, 4:8, start : start + size] = True
    return mask


def test_overlap_of_shifted_cubes():
    """A shift of one voxel along the columns: Dice 3/4, distance at most 2 mm."""
    found = overlap(cube(5), cube(4), (1.0, 1.0, 2.0))
    assert found.dice == pytest.approx(0.75)
    assert found.hausdorff95_mm == pytest.approx(2.0)
    assert 0 < found.surface_distance_mm < 2.0
    assert found.volume_difference_cm3 == 0.0


def test_overlap_counts_volume_with_its_sign():
    found = overlap(cube(4, 3), cube(4, 4), (1.0, 1.0, 2.0))
    assert found.volume_difference_cm3 == pytest.approx(-0.032)
    assert found.volume_difference_percent == pytest.approx(-25.0)


def test_a_missed_structure_has_infinite_distance_and_a_missing_reference_raises():
    missed = overlap(np.zeros((12, 12, 12), bool), cube(4), (1.0, 1.0, 1.0))
    assert (missed.dice, missed.hausdorff95_mm) == (0.0, np.inf)
    with pytest.raises(UnusableSample, match="reference"):
        overlap(cube(4), np.zeros((12, 12, 12), bool), (1.0, 1.0, 1.0))
