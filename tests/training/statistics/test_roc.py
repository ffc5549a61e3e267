"""Areas under ROC curves, compared with pROC, published examples and each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import roc_auc_score

from tests.training.golden import table
from training.statistics.bootstrap import bootstrap
from training.statistics.clustered import clustered_interval, clustered_test
from training.statistics.cuts import counts_at, youden_cut
from training.statistics.delong import auc, delong_interval, delong_test, delong_test_unpaired
from training.statistics.errors import UnusableSample
from training.statistics.hanley_mcneil import hanley_mcneil
from training.statistics.multiclass import macro_auc, one_vs_rest


@pytest.fixture(scope="module")
def ovarian():
    columns = table("ovarian")
    return columns["popind"], {
        "albumin": columns["alb"],
        "protein": columns["tp"],
        "kg": 10 - columns["totscore"],
    }


@pytest.fixture(scope="module")
def vertebrae():
    return table("clustered")


@pytest.mark.parametrize(
    ("test", "area", "error", "low", "high"),
    [
        ("albumin", 0.7365591397849, 0.0926943460524, 0.5548815599517, 0.9182367196181),
        ("protein", 0.647849462366, 0.100047375584, 0.451760209474, 0.843938715257),
        ("kg", 0.725806451613, 0.102821608980, 0.524279801180, 0.927333102046),
    ],
)
def test_delong_interval_is_that_of_proc(ovarian, test, area, error, low, high):
    """pROC 1.18 on the data of DeLong 1988; SAS prints the same to four decimals."""
    truth, scores = ovarian
    found = delong_interval(truth, scores[test])
    assert [found.value, found.standard_error, found.ci_low, found.ci_high] == pytest.approx(
        [area, error, low, high], abs=1e-10
    )


@pytest.mark.parametrize(
    ("first", "second", "z", "p"),
    [
        ("albumin", "kg", 0.112778269045, 0.910206347201),
        ("protein", "kg", -0.745218389658, 0.456139707507),
        ("albumin", "protein", 1.5900292583207, 0.1118282101207),
    ],
)
def test_delong_test_is_that_of_proc(ovarian, first, second, z, p):
    truth, scores = ovarian
    found = delong_test(truth, scores[first], scores[second])
    assert (found.statistic, found.p) == pytest.approx((z, p), abs=1e-10)


def test_unpaired_delong_test_is_that_of_proc(vertebrae):
    even = vertebrae["patient"] % 2 == 0
    found = delong_test_unpaired(
        (vertebrae["truth"][even], vertebrae["a"][even]),
        (vertebrae["truth"][~even], vertebrae["b"][~even]),
    )
    assert (found.statistic, found.degrees_of_freedom, found.p) == pytest.approx(
        (1.378757780730, 114.679348626907, 0.170652918046), abs=1e-9
    )


def test_clustered_interval_is_that_of_obuchowskis_program(vertebrae):
    truth, patient = vertebrae["truth"], vertebrae["patient"]
    found = clustered_interval(truth, vertebrae["a"], patient)
    assert (found.value, found.standard_error) == pytest.approx(
        (0.64323962517, 0.07120916936), abs=1e-10
    )
    assert found.standard_error > delong_interval(truth, vertebrae["a"]).standard_error


def test_clustered_test_is_that_of_obuchowskis_program(vertebrae):
    found = clustered_test(vertebrae["truth"], vertebrae["a"], vertebrae["b"], vertebrae["patient"])
    assert (found.difference, found.standard_error, found.p) == pytest.approx(
        (0.10441767068, 0.06174611295, 0.09082135744), abs=1e-10
    )


def test_a_vertebra_copied_within_its_patient_adds_nothing(vertebrae):
    """Four copies in one patient count as one case: the variance stays the same."""
    truth, score, patient = (vertebrae[name] for name in ("truth", "a", "patient"))
    copied = clustered_interval(np.tile(truth, 4), np.tile(score, 4), np.tile(patient, 4))
    once = clustered_interval(truth, score, patient)
    assert copied.standard_error == pytest.approx(once.standard_error)
    naive = delong_interval(np.tile(truth, 4), np.tile(score, 4))
    assert naive.standard_error == pytest.approx(
        delong_interval(truth, score).standard_error / 2, rel=0.03
    )


def test_clusters_of_one_equal_delong_up_to_the_small_cross_term(vertebrae):
    """No patient has both classes, so only the two terms of DeLong remain."""
    truth, score = vertebrae["truth"], vertebrae["a"]
    alone = clustered_interval(truth, score, np.arange(len(truth)))
    assert alone.standard_error == pytest.approx(delong_interval(truth, score).standard_error)


def test_cluster_bootstrap_agrees_with_the_clustered_variance(vertebrae):
    truth, score, patient = (vertebrae[name] for name in ("truth", "a", "patient"))
    drawn = bootstrap(
        lambda rows: auc(truth[rows], score[rows]), len(truth), clusters=patient, seed=1
    )
    exact = clustered_interval(truth, score, patient)
    assert drawn.value == exact.value
    assert drawn.standard_error == pytest.approx(exact.standard_error, rel=0.1)
    assert (drawn.ci_low, drawn.ci_high) == pytest.approx((exact.ci_low, exact.ci_high), abs=0.03)


def test_plain_bootstrap_agrees_with_delong(vertebrae):
    truth, score = vertebrae["truth"], vertebrae["a"]
    drawn = bootstrap(lambda rows: auc(truth[rows], score[rows]), len(truth), seed=1)
    assert drawn.standard_error == pytest.approx(
        delong_interval(truth, score).standard_error, rel=0.1
    )


def test_bootstrap_is_repeatable_and_refuses_a_statistic_that_is_mostly_undefined():
    truth = np.array([1, 0, 0, 0])
    with pytest.raises(UnusableSample, match="of the resamples"):
        bootstrap(lambda rows: auc(truth[rows], rows), 4, resamples=50)
    runs = [bootstrap(lambda rows: float(rows.mean()), 9, resamples=20, seed=5) for _ in range(2)]
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("area", "positives", "negatives", "low", "high"),
    [
        (0.90, 204, 348, 0.87, 0.93),
        (0.79, 228, 324, 0.75, 0.83),
        (0.92, 120, 432, 0.89, 0.95),
        (0.90, 51, 87, 0.84, 0.96),
        (0.79, 57, 81, 0.71, 0.87),
        (0.92, 30, 108, 0.85, 0.99),
    ],
)
def test_hanley_mcneil_reproduces_the_intervals_of_study_1(area, positives, negatives, low, high):
    """docs/domain.md 1.A: for 552 independent vertebrae, and for 138 patients."""
    found = hanley_mcneil(area, positives, negatives)
    assert (found.ci_low, found.ci_high) == pytest.approx((low, high), abs=0.0051)


def test_hanley_mcneil_reproduces_the_example_of_the_authors():
    """Radiology 1982: area 0.893, 58 normal and 51 abnormal: SE 0.032."""
    assert hanley_mcneil(0.893, 51, 58).standard_error == pytest.approx(0.032, abs=0.0006)


SCORES = arrays(np.float64, st.integers(8, 40), elements=st.integers(-30, 30).map(float))


@given(scores=SCORES, split=st.integers(2, 6), power=st.sampled_from([1.0, 3.0, 5.0]))
def test_increasing_maps_keep_the_area_and_decreasing_maps_invert_it(scores, split, power):
    truth = np.arange(len(scores)) % split == 0
    base = delong_interval(truth, scores)
    risen = delong_interval(truth, scores**power * 2 + 1)
    assert risen == base
    fallen = delong_interval(truth, -scores)
    assert fallen.value == pytest.approx(1 - base.value)
    assert fallen.standard_error == pytest.approx(base.standard_error)
    assert base.value == pytest.approx(roc_auc_score(truth, scores))


@given(scores=SCORES, other=SCORES)
def test_delong_test_changes_only_its_sign_with_the_order(scores, other):
    n = min(len(scores), len(other))
    truth = np.arange(n) % 3 == 0
    there, back = (
        delong_test(truth, *pair) for pair in ((scores[:n], other[:n]), (other[:n], scores[:n]))
    )
    assert there.statistic == pytest.approx(-back.statistic)
    assert there.p == pytest.approx(back.p)
    assert delong_test(truth, scores[:n], scores[:n]).p == 1.0


@pytest.mark.parametrize(
    ("truth", "score", "why"),
    [
        ([1, 1, 1], [1, 2, 3], "one class"),
        ([0, 1, 2], [1, 2, 3], "0 and 1"),
        ([0, 1, 1], [1, 2], "2 values"),
        ([0, 1, 1], [1, np.nan, 2], "not finite"),
        ([], [], "not empty"),
        ([0, 1, 1], [1, 2, 3], "two or more"),
    ],
)
def test_samples_without_an_area_are_refused(truth, score, why):
    with pytest.raises(UnusableSample, match=why):
        delong_interval(truth, score)


def test_youden_cut_is_that_of_proc(vertebrae):
    """pROC: threshold 0.75, specificity 0.687, sensitivity 0.578."""
    truth, score = vertebrae["truth"], vertebrae["a"]
    cut = youden_cut(truth, score)
    assert cut == pytest.approx(0.75)
    counts = counts_at(truth, score, cut)
    assert counts.specificity().value == pytest.approx(0.686746987952)
    assert counts.sensitivity().value == pytest.approx(0.577777777778)


def test_a_useless_score_predicts_no_positive_case():
    counts = counts_at([0, 1], [1.0, 0.0], youden_cut([0, 1], [1.0, 0.0]))
    assert counts.false_positive == 0


def test_each_class_against_the_rest_is_that_of_scikit_learn(vertebrae):
    draws = np.random.default_rng(3)
    truth = draws.integers(0, 3, 90)
    probabilities = draws.dirichlet(np.ones(3), 90) + 0.3 * np.eye(3)[truth]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    found = [one.value for one in one_vs_rest(truth, probabilities)]
    expected = roc_auc_score(truth, probabilities, multi_class="ovr", average=None)
    assert found == pytest.approx(list(expected))
    mean = macro_auc(truth, probabilities, clusters=np.arange(90) // 3, resamples=100)
    assert mean.value == pytest.approx(np.mean(expected))
    assert mean.ci_low < mean.value < mean.ci_high
    grouped = one_vs_rest(truth, probabilities, clusters=np.arange(90) // 3)
    assert [one.value for one in grouped] == found
