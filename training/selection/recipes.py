"""Build the selection pipelines of studies 2 and 3 with their published numbers."""

from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import RFE, SelectFromModel, VarianceThreshold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from training.selection.icc import IccFilter
from training.selection.lasso import LassoPathClassifier, LassoPathRegressor
from training.selection.mrmr import MrmrSelector

MRMR_FEATURES_STUDY_2 = 25
RFE_FEATURES_STUDY_3 = 50
MRMR_FEATURES_STUDY_3 = 20
LASSO_FEATURES_STUDY_3 = 15
FOLDS = 10


def rscore_chain(*, repeats: bool = True, groups: bool = False) -> Pipeline:
    """Study 2: ICC > 0.8, z-score, mRMR to 25, binomial LASSO with the one-standard-error rule.

    The last step is the model: R = sum C_i X_i + b is its ``decision_function``. Repeats and groups
    are routed, which needs ``enable_metadata_routing`` of scikit-learn.

    Parameters
    ----------
    repeats
        Whether to include the ICC step; ``fit`` then needs ``repeats`` (see `IccFilter`).
    groups
        Whether the folds of the LASSO use ``groups``; set its ``cv`` to a splitter that uses them.
    """
    lasso = LassoPathClassifier(cv=FOLDS)
    if repeats or groups:
        lasso.set_fit_request(groups=groups)
    steps = [
        ("varies", VarianceThreshold()),
        ("zscore", StandardScaler()),
        ("mrmr", MrmrSelector(MRMR_FEATURES_STUDY_2)),
        ("lasso", lasso),
    ]
    if repeats:
        steps.insert(0, ("icc", IccFilter().set_fit_request(repeats=True)))
    return Pipeline(steps)


def femur_chain(*, trees: int = 500, seed: int = 0) -> Pipeline:
    """Study 3: RFE to 50, mRMR to 20, LASSO to 15, random forest of three classes.

    The study does not state the following choices (docs/domain.md 1.D): the forest inside RFE with
    steps of 10 %, the Gaussian LASSO on the ordinal class 0, 1, 2, and the settings of the forest.
    Classes must be numbers.
    """
    ranker = RandomForestClassifier(
        100, class_weight="balanced", min_samples_leaf=5, random_state=seed
    )
    forest = RandomForestClassifier(
        trees, class_weight="balanced", min_samples_leaf=5, random_state=seed
    )
    return Pipeline(
        [
            ("varies", VarianceThreshold()),
            ("zscore", StandardScaler()),
            ("rfe", RFE(ranker, n_features_to_select=RFE_FEATURES_STUDY_3, step=0.1)),
            ("mrmr", MrmrSelector(MRMR_FEATURES_STUDY_3)),
            (
                "lasso",
                SelectFromModel(
                    LassoPathRegressor(cv=FOLDS, rule="min"),
                    threshold=1e-10,
                    max_features=LASSO_FEATURES_STUDY_3,
                ),
            ),
            ("forest", forest),
        ]
    )
