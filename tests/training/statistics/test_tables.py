"""Counts, proportions, kappa and the arithmetic of published tables."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.statistics.confusion import class_counts, counts, overall_accuracy, weighted_kappa
from training.statistics.errors import UnusableSample
from training.statistics.groups import anova, chi_squared, standardized_difference
from training.statistics.proportions import clopper_pearson, wilson
from training.statistics.recovery import ClassMeasures, integer_counts, recover_confusion

STUDY_4_TRUTH = (251, 116, 51)
"""Test subjects normal, osteopenia, osteoporosis (Table 2)."""
STUDY_4 = {
    # Table 3, test data set: Se, Sp, PPV, NPV, Ac of normal, osteopenia, osteoporosis.
    "model 1": (
        (0.964, 0.916, 0.945, 0.944, 0.945),
        (0.716, 0.960, 0.874, 0.898, 0.892),
        (0.941, 0.948, 0.716, 0.991, 0.947),
    ),
    "model 2": (
        (0.976, 0.838, 0.901, 0.959, 0.921),
        (0.638, 0.954, 0.841, 0.873, 0.866),
        (0.843, 0.959, 0.741, 0.978, 0.945),
    ),
}
RECOVERED = {
    "model 1": [[242, 9, 0], [14, 83, 19], [0, 3, 48]],
    "model 2": [[245, 6, 0], [27, 74, 15], [0, 8, 43]],
}
"""docs/domain.md 1.C, computed independently of this code."""


@pytest.mark.parametrize("model", STUDY_4)
def test_study_4_table_3_has_exactly_one_confusion_matrix(model):
    found = recover_confusion(STUDY_4_TRUTH, [measures(row) for row in STUDY_4[model]])
    assert [matrix.tolist() for matrix in found] == [RECOVERED[model]]


def measures(row):
    return ClassMeasures(**dict(zip(ClassMeasures.__slots__, row, strict=True)))


@pytest.mark.parametrize("model", STUDY_4)
def test_recovered_counts_reproduce_table_3(model):
    for one, printed in zip(class_counts(RECOVERED[model]), STUDY_4[model], strict=True):
        found = (
            one.sensitivity(),
            one.specificity(),
            one.positive_predictive_value(),
            one.negative_predictive_value(),
            one.accuracy(),
        )
        assert [round(measure.value, 3) for measure in found] == list(printed)


@pytest.mark.parametrize(
    ("model", "accuracy", "kappa"), [("model 1", 0.892, 0.899), ("model 2", 0.866, 0.869)]
)
def test_accuracy_and_kappa_of_study_4(model, accuracy, kappa):
    assert overall_accuracy(RECOVERED[model]).value == pytest.approx(accuracy, abs=0.0006)
    found = weighted_kappa(RECOVERED[model])
    assert found.value == pytest.approx(kappa, abs=0.0006)
    assert found.ci_low < found.value < found.ci_high


def test_an_impossible_table_has_no_matrix():
    """Study 4's validation NPV of 0.242 fits no counts; without it the table has one solution."""
    rows = [
        (0.917, 0.900, 0.932, 0.878, 0.910),
        (0.833, 0.886, 0.758, 0.242, 0.870),
        (0.700, 0.989, 0.875, 0.967, 0.960),
    ]
    assert recover_confusion((60, 30, 10), [measures(row) for row in rows]) == ()
    osteopenia = (0.833, 0.886, 0.758, None, 0.870)
    found = recover_confusion(
        (60, 30, 10), [measures(row) for row in (rows[0], osteopenia, rows[2])]
    )
    assert found
    for matrix in found:
        npv = class_counts(matrix)[1].negative_predictive_value()
        assert (round(npv.value, 3), npv.n) == (0.925, 67)


@pytest.mark.parametrize(
    ("sensitivity", "specificity", "swapped", "correct", "no_fracture", "fracture"),
    [
        # Study 2, Table 2: sensitivity, specificity and accuracy in %, then the right accuracy.
        (85.6, 66.4, 76.3, 75.7, 111, 119),
        (82.9, 79.0, 81.0, 80.9, 111, 119),
        (91.9, 90.8, 91.4, 91.3, 111, 119),
        (82.2, 59.3, 71.8, 69.7, 45, 54),
        (80.0, 74.1, 77.3, 76.8, 45, 54),
        (95.6, 74.1, 85.8, 83.8, 45, 54),
    ],
)
def test_the_positive_class_of_study_2_is_no_fracture(
    sensitivity, specificity, swapped, correct, no_fracture, fracture
):
    """docs/domain.md B1, B2: whole counts exist only this way; accuracies use swapped class sizes."""
    (found,) = integer_counts(sensitivity / 100, no_fracture)
    (left_alone,) = integer_counts(specificity / 100, fracture)
    other_way = (
        integer_counts(sensitivity / 100, fracture),
        integer_counts(specificity / 100, no_fracture),
    )
    assert () in other_way
    total = no_fracture + fracture
    assert 100 * (found + left_alone) / total == pytest.approx(correct, abs=0.06)
    wrong = (sensitivity * fracture + specificity * no_fracture) / total
    assert wrong == pytest.approx(swapped, abs=0.06)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (44, 52, 0.719, 0.931),
        (41, 49, 0.703, 0.927),
        (85, 101, 0.756, 0.907),
        (23, 30, 0.577, 0.901),
        (53, 71, 0.629, 0.842),
        (76, 101, 0.657, 0.833),
        (18, 19, 0.740, 0.999),
        (79, 82, 0.897, 0.992),
        (97, 101, 0.902, 0.989),
    ],
)
def test_study_3_prints_clopper_pearson_under_the_name_of_wilson(successes, trials, low, high):
    """D1: Table 3, test cohort."""
    exact = clopper_pearson(successes, trials)
    assert (round(exact.ci_low, 3), round(exact.ci_high, 3)) == (low, high)
    score = wilson(successes, trials)
    assert (round(score.ci_low, 3), round(score.ci_high, 3)) != (low, high)


def test_wilson_interval_of_the_textbook():
    """Newcombe, Stat Med 1998;17:857, Table I: 81 of 263, 15 of 148, 0 of 20."""
    for successes, trials, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
    ):
        found = wilson(successes, trials)
        assert (found.ci_low, found.ci_high) == pytest.approx((low, high), abs=6e-5)


@given(trials=st.integers(1, 80), share=st.floats(0, 1))
def test_intervals_contain_the_proportion_and_are_symmetric(trials, share):
    successes = round(share * trials)
    for interval in (wilson, clopper_pearson):
        found, mirrored = interval(successes, trials), interval(trials - successes, trials)
        assert 0 <= found.ci_low <= found.value + 1e-12
        assert found.value - 1e-12 <= found.ci_high <= 1
        assert found.ci_low == pytest.approx(1 - mirrored.ci_high, abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60))
def test_counts_of_all_classes_contain_every_case_once(pairs):
    truth, predicted = zip(*pairs, strict=True)
    matrix = counts(truth, predicted, 3)
    assert matrix.sum() == len(pairs)
    assert sum(one.true_positive for one in class_counts(matrix)) == np.trace(matrix)
    assert all(one.total == len(pairs) for one in class_counts(matrix))


def test_a_measure_without_cases_is_refused():
    empty = class_counts([[5, 0, 0], [0, 5, 0], [0, 0, 0]])[2]
    with pytest.raises(UnusableSample):
        empty.sensitivity()


@pytest.mark.parametrize(
    ("means", "spreads", "p"),
    [
        ((63.59, 62.72), (9.860, 9.395), 0.461),
        ((155.21, 155.29), (30.792, 32.406), 0.983),
        ((63.16, 62.89), (10.350, 9.689), 0.824),
        ((-2.00, -1.99), (1.644, 1.530), 0.962),
        ((-1.95, -1.83), (1.185, 1.227), 0.400),
    ],
)
def test_analysis_of_variance_reproduces_table_1_of_study_2(means, spreads, p):
    assert anova(means, spreads, (230, 99)).p == pytest.approx(p, abs=0.006)


def test_analysis_of_variance_reproduces_the_age_of_study_3():
    found = anova((67.17, 66.57, 67.65), (8.52, 8.42, 6.33), (248, 107, 101))
    assert found.p == pytest.approx(0.623, abs=0.002)


def test_chi_squared_reproduces_the_tables_of_the_studies():
    """Study 3 Table 1, sex and class; study 4 Table 1, sex by age."""
    classes = [[105, 101, 42], [45, 44, 18], [52, 30, 19]]
    assert chi_squared(classes).p == pytest.approx(0.376, abs=0.0006)
    assert chi_squared([[121, 127], [53, 54], [43, 58]]).p == pytest.approx(0.516, abs=0.002)
    sexes = [(40, 20), (85, 80), (157, 99), (207, 115), (57, 60), (41, 45), (17, 23), (1, 1)]
    found = chi_squared(sexes)
    assert found.statistic == pytest.approx(22.91, abs=0.01)
    assert found.p == pytest.approx(0.002, abs=0.0005)


def test_standardized_difference_is_in_standard_deviations():
    first = np.array([1.0, 2.0, 3.0])
    assert standardized_difference(first + 2, first) == pytest.approx(2.0)
    assert standardized_difference(first, first) == 0.0
    assert standardized_difference([1, 1], [2, 2]) == -np.inf
