"""Feature selection: numbers of glmnet, mRMR by hand, and no use of test rows."""

import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.base import clone
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.model_selection import GroupKFold, PredefinedSplit, cross_validate
from sklearn.utils.estimator_checks import check_estimator

from tests.training.golden import table
from training.selection.icc import IccFilter
from training.selection.lasso import (
    LassoPathClassifier,
    LassoPathRegressor,
    binomial_path,
    gaussian_path,
    lambda_path,
)
from training.selection.mrmr import MrmrSelector, mutual_information
from training.selection.perturbation import Reader, repeated_masks
from training.selection.recipes import femur_chain, rscore_chain
from training.statistics.errors import UnusableSample


@pytest.fixture(scope="module")
def glmnet():
    columns = table("glmnet")
    features = np.column_stack([columns[f"x{i}"] for i in range(8)])
    return features, columns["y"], columns["c"]


GAUSSIAN = [
    [-0.111924, 0.773947, 0, 0, -0.094263, 0, 0, 0, 0],
    [-0.098229, 0.983128, 0, 0, -0.415106, 0, 0.277603, 0, 0.014835],
    [-0.088988, 1.066955, -0.001760, 0, -0.589284, 0, 0.417919, 0, 0.041712],
    [-0.086807, 1.097743, -0.020269, 0.007377, -0.650881, 0.011600, 0.447612, 0, 0.042318],
]
BINOMIAL = [
    [-0.001696, 0.461698, 0, 0, 0, 0, 0, 0, 0],
    [0.055613, 0.690853, 0.048454, 0, 0, -0.040247, 0, 0, 0],
    [0.144414, 1.031187, 0.138053, 0.031715, -0.273948, -0.219545, 0.344880, 0, 0.021158],
    [0.210104, 1.356389, 0.175741, 0.066821, -0.595206, -0.267126, 0.562701, 0.157443, 0.075056],
]


@pytest.mark.parametrize(
    ("path", "outcome", "lambdas", "expected"),
    [
        (gaussian_path, 1, [0.5, 0.2, 0.05, 0.01], GAUSSIAN),
        (binomial_path, 2, [0.2, 0.1, 0.03, 0.005], BINOMIAL),
    ],
)
def test_paths_are_those_of_glmnet(glmnet, path, outcome, lambdas, expected):
    found = path(glmnet[0], glmnet[outcome], np.array(lambdas))
    assert np.column_stack([found.intercepts, found.coefficients]) == pytest.approx(
        np.array(expected), abs=1e-5
    )


@pytest.mark.parametrize(("outcome", "largest"), [(1, 3.25205489687), (2, 0.579639375)])
def test_the_first_penalty_is_that_of_glmnet(glmnet, outcome, largest):
    lambdas = lambda_path(glmnet[0], glmnet[outcome])
    assert lambdas[0] == pytest.approx(largest)
    assert (len(lambdas), lambdas[-1] / lambdas[0]) == (100, pytest.approx(1e-4))


@pytest.mark.parametrize(
    ("estimator", "outcome", "errors", "spreads", "least", "one_se", "coefficients"),
    [
        (
            LassoPathRegressor, 1,
            [5.46702251657, 3.43266896607, 2.66750491143, 2.23988843083, 2.25871436808, 2.33021573895],
            [0.646513829812, 0.376942039750, 0.271395331223, 0.137858264880, 0.117154601890, 0.120780809865],
            0.0719424882232, 0.1865428286083,
            [0.990613, 0, 0, -0.430644, 0, 0.290223, 0, 0.017296],
        ),
        (
            LassoPathClassifier, 2,
            [1.42745390997, 1.16345982456, 1.10364199033, 1.16086826925, 1.28907224300, 1.43923491392],
            [0.0353998533670, 0.0343552576724, 0.1632507726312, 0.2851167551832, 0.4039743429393, 0.5294043581548],
            0.0679396643178, 0.2836697669698,
            [0.312907, 0, 0, 0, 0, 0, 0, 0.003833],
        ),
    ],
)  # fmt: skip
def test_cross_validation_and_the_one_standard_error_rule_are_those_of_cv_glmnet(
    glmnet, estimator, outcome, errors, spreads, least, one_se, coefficients
):
    features, target = glmnet[0], glmnet[outcome]
    largest = lambda_path(features, target)[0]
    model = estimator(
        lambdas=np.geomspace(largest, largest * 1e-3, 30), cv=PredefinedSplit(np.arange(80) % 5)
    ).fit(features, target)
    at = np.array([1, 5, 10, 15, 20, 30]) - 1
    assert model.cv_error_[at] == pytest.approx(np.array(errors), rel=1e-5)
    assert model.cv_standard_error_[at] == pytest.approx(np.array(spreads), rel=1e-4)
    assert (model.lambda_min_, model.lambda_1se_) == pytest.approx((least, one_se))
    assert np.ravel(model.coef_) == pytest.approx(np.array(coefficients), abs=1e-6)


@given(seed=st.integers(0, 10_000), spread=st.floats(0.5, 3.0))
@settings(max_examples=15)
def test_every_penalty_of_a_binomial_path_satisfies_its_optimality_conditions(seed, spread):
    """Near copies with long tails, as radiomic features are: X'(y - p) / n is lambda sign(b) where
    b is not zero, and within lambda elsewhere (Hastie et al., Statistical Learning with Sparsity,
    3.3)."""
    draws = np.random.default_rng(seed)
    factors = draws.normal(size=(60, 3))
    features = np.exp(
        spread * (factors @ draws.normal(size=(3, 12)) + 0.2 * draws.normal(size=(60, 12))) / 3
    )
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    y = (factors[:, 0] + draws.normal(size=60) > 0).astype(float)
    lambdas = lambda_path(features, y, 20)[:12]
    path = binomial_path(features, y, lambdas)
    residual = y[:, None] - expit(path.linear(features))
    gradient = (features.T @ residual / len(y)).T
    chosen = path.coefficients != 0
    bound = np.broadcast_to(lambdas[:, None], gradient.shape)
    assert gradient[chosen] == pytest.approx((bound * np.sign(path.coefficients))[chosen], abs=1e-6)
    assert (np.abs(gradient) <= bound + 1e-6).all()
    assert np.abs(residual.mean(axis=0)).max() < 1e-6


def test_lambda_is_alpha_and_one_over_n_c(glmnet):
    """Study 2: lambda 0.0315 with n = 230 is C = 0.138."""
    features, y, c = glmnet
    lasso = Lasso(alpha=0.1, tol=1e-10).fit(features, y)
    assert gaussian_path(features, y, np.array([0.1])).coefficients[0] == pytest.approx(
        lasso.coef_, abs=1e-6
    )
    logistic = LogisticRegression(
        l1_ratio=1, C=1 / (80 * 0.05), solver="saga", tol=1e-8, max_iter=20000
    ).fit(features, c)
    path = binomial_path(features, c, np.array([0.05]))
    assert path.coefficients[0] == pytest.approx(logistic.coef_[0], abs=1e-4)
    assert path.intercepts[0] == pytest.approx(logistic.intercept_[0], abs=1e-4)
    assert round(1 / (230 * 0.0315), 3) == 0.138


def test_mutual_information_of_two_gaussians():
    """rho 0.6: -0.5 ln(1 - 0.36) = 0.223 nats; a constant has 0."""
    x = np.array([1.0, -1, 1, -1])
    y = 0.6 * x + 0.8 * np.array([1.0, 1, -1, -1])
    found = mutual_information(np.column_stack([x, y, np.ones(4)]))
    assert found[0, 1] == pytest.approx(0.2231436)
    assert found[2].tolist() == [0, 0, 0]


def test_mrmr_selects_a_weaker_feature_that_adds_information():
    """By hand: orthogonal u, v, w, e of unit length and y = .7u + .5v + .1w + .5e.

    a = u (rho .7); b = (u + .1 v) / |.|, nearly a copy (rho .746 / .99^...), c = v (rho .5).
    """
    u, v, w, e = np.array(
        [
            [1, 1, 1, 1, -1, -1, -1, -1],
            [1, 1, -1, -1, 1, 1, -1, -1],
            [1, -1, 1, -1, 1, -1, 1, -1],
            [1, -1, -1, 1, 1, -1, -1, 1],
        ],
        float,
    )
    y = 0.7 * u + 0.5 * v + 0.1 * w + 0.5 * e
    features = np.column_stack([w, v, u + 0.1 * w, u])
    selector = MrmrSelector(3).fit(features, y)
    # rho^2 with y: w .01, v .25, u + .1w (.71^2 / 1.01) = .4991, u .49; so u + .1w first.
    # then v: MI .1438 - 0; u: .3367 - 2.3076 (copy); w: .005 - .005 = 0.00005.
    assert selector.ranking_.tolist() == [2, 1, 0]
    assert selector.scores_ == pytest.approx([0.34567, 0.14384, 0.00253], abs=1e-4)
    assert selector.transform(features).shape == (8, 3)


@given(st.integers(0, 10_000))
def test_mrmr_does_not_depend_on_units_or_signs(seed):
    draws = np.random.default_rng(seed)
    features, y = draws.normal(size=(30, 6)), draws.normal(size=30)
    scaled = features * draws.choice([-1, 1], 6) * draws.uniform(0.1, 50, 6) + draws.normal(size=6)
    assert MrmrSelector(4).fit(scaled, y).ranking_.tolist() == (
        MrmrSelector(4).fit(features, y).ranking_.tolist()
    )


def test_mrmr_by_ranks_does_not_depend_on_a_monotone_map():
    draws = np.random.default_rng(2)
    features, y = draws.normal(size=(40, 5)), draws.normal(size=40)
    found = [
        MrmrSelector(3, "spearman").fit(x, y).ranking_.tolist()
        for x in (features, np.exp(features))
    ]
    assert found[0] == found[1]


def rated(seed=0, n=40):
    """Three features: one independent of the segmentation, one that depends on it, one of noise."""
    draws = np.random.default_rng(seed)
    true = draws.normal(size=(n, 3))
    readings = true[:, None] + draws.normal(size=(n, 3, 3)) * [0.05, 0.8, 5.0]
    return readings[:, 0], readings[:, 1:]


def test_icc_filter_keeps_repeatable_features():
    first, repeats = rated()
    chosen = IccFilter().fit(first, repeats=repeats)
    assert chosen.get_support().tolist() == [True, False, False]
    assert chosen.transform(first).shape == (40, 1)
    assert chosen.icc_[0] > 0.98


def test_icc_filter_without_repeats_is_an_error():
    first, repeats = rated()
    with pytest.raises(ValueError, match="needs repeats"):
        IccFilter().fit(first)
    with pytest.raises(ValueError, match="repeats have shape"):
        IccFilter().fit(first, repeats=repeats[:-1])


@pytest.mark.parametrize(
    "estimator",
    [
        MrmrSelector(2),
        MrmrSelector(2, "spearman"),
        LassoPathRegressor(n_lambdas=3, cv=3),
        LassoPathClassifier(n_lambdas=3, cv=2),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore")
def test_estimators_keep_scikit_learns_rules(estimator):
    """Except `IccFilter`, which raises without repeats."""
    check_estimator(estimator, on_skip=None)


@sklearn.config_context(enable_metadata_routing=True)
def test_the_chain_of_study_2_runs_inside_grouped_cross_validation():
    draws = np.random.default_rng(7)
    n, p = 120, 12
    truth = np.arange(n) % 2
    clean = draws.normal(size=(n, p))
    clean[:, 0] += 2 * truth
    features = clean + 0.05 * draws.normal(size=(n, p))
    repeats = clean[:, None] + 0.05 * draws.normal(size=(n, 1, p))
    repeats[:, :, 5] += draws.normal(size=(n, 1)) * 9
    chain = rscore_chain()
    chain.set_params(mrmr__n_features=4, lasso__n_lambdas=20, lasso__cv=3)
    runs = cross_validate(
        chain,
        features,
        truth,
        cv=GroupKFold(3).set_split_request(groups=True),
        scoring="roc_auc",
        params={"repeats": repeats, "groups": np.arange(n) // 4},
        return_estimator=True,
    )
    assert runs["test_score"].mean() > 0.85
    for fitted in runs["estimator"]:
        assert not fitted["icc"].get_support()[5]
        assert fitted["lasso"].n_features_in_ == 4
    means = [fitted["zscore"].mean_ for fitted in runs["estimator"]]
    assert not np.allclose(means[0][0], means[1][0])  # fitted on its own training rows


@sklearn.config_context(enable_metadata_routing=True)
def test_the_lasso_folds_can_keep_patients_whole():
    draws = np.random.default_rng(8)
    features, groups = draws.normal(size=(80, 4)), np.arange(80) // 4
    truth = (features[:, 0] + draws.normal(size=80) > 0).astype(int)
    chain = rscore_chain(repeats=False, groups=True)
    chain.set_params(mrmr__n_features=3, lasso__n_lambdas=10, lasso__cv=GroupKFold(4))
    assert chain.fit(features, truth, groups=groups)["lasso"].coef_.shape == (1, 3)
    with pytest.raises(ValueError, match="groups"):
        clone(chain).fit(features, truth)


def test_the_chain_of_study_3_narrows_to_fifty_twenty_and_at_most_fifteen():
    draws = np.random.default_rng(9)
    truth = draws.integers(0, 3, 90)
    features = draws.normal(size=(90, 60))
    features[:, :5] += truth[:, None]
    chain = femur_chain(trees=20).set_params(rfe__estimator__n_estimators=10, rfe__step=0.5)
    chain.fit(features, truth)
    assert chain["rfe"].n_features_ == 50
    assert chain["mrmr"].ranking_.shape == (20,)
    assert 1 <= chain["forest"].n_features_in_ <= 15
    assert chain.predict_proba(features).shape == (90, 3)


def ball(spacing):
    grids = np.meshgrid(*[np.arange(24) * step for step in spacing], indexing="ij")
    centre = [11.5 * step for step in spacing]
    return sum((g - c) ** 2 for g, c in zip(grids, centre, strict=True)) < 8**2


def test_repeated_masks_differ_like_those_of_other_readers():
    spacing = (1.0, 1.0, 1.0)
    mask = ball(spacing)
    again = repeated_masks(mask, spacing, 6, seed=1)
    assert len(again) == 6
    dice = [2 * (mask & other).sum() / (mask.sum() + other.sum()) for other in again]
    assert 0.8 < min(dice) < max(dice) < 1.0
    same = repeated_masks(mask, spacing, 6, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(again, same, strict=True))
    sizes = {int(other.sum()) for other in again}
    assert min(sizes) < mask.sum() < max(sizes)


def test_a_reader_without_error_draws_the_same_contour():
    for spacing in ((1.0, 1.0, 1.0), (3.0, 0.7, 0.7)):
        mask = ball(spacing)
        exact = Reader(offset_mm=0, shift_mm=0, roughness_mm=0)
        assert np.array_equal(repeated_masks(mask, spacing, 1, reader=exact)[0], mask)


def test_an_empty_mask_cannot_be_repeated():
    with pytest.raises(UnusableSample, match="empty"):
        repeated_masks(np.zeros((4, 4, 4), bool), (1.0, 1.0, 1.0), 1)


def test_a_fold_that_leaves_one_class_is_refused():
    """All three cases are of one patient; without that patient no fit is possible."""
    features, truth = np.arange(24.0).reshape(12, 2), np.arange(12) < 3
    with pytest.raises(ValueError, match="one class only"):
        LassoPathClassifier(cv=GroupKFold(4), n_lambdas=3).fit(
            features, truth, groups=np.arange(12) // 3
        )
