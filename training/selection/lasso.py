"""LASSO over a path of penalties, chosen by cross-validation with the one-standard-error rule.

The convention is that of the R package glmnet (Friedman, Hastie, Tibshirani, J Stat Softw
2010;33:1): minimise  mean loss + lambda * sum |beta|  with a free intercept, where the loss is
half the squared error (Gaussian) or the negative log-likelihood (binomial). So lambda is
scikit-learn's ``alpha`` of `Lasso`, and 1 / (n C) of `LogisticRegression`. Features are taken as
they come (``standardize = FALSE``): put a `StandardScaler` before.

The Gaussian path is scikit-learn's ``lasso_path``, the binomial one skglm's
``SparseLogisticRegression`` (proximal Newton steps on working sets, with a free intercept). Of
scikit-learn's solvers liblinear penalises the intercept, and saga needs thousands of rounds on a
path. skglm compiles itself at the first fit of a process: about 20 s of processor time.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from skglm import SparseLogisticRegression
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lasso_path
from sklearn.model_selection import check_cv
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from training.statistics.sample import FloatArray

Rule = Literal["1se", "min"]

N_LAMBDAS = 100
MOST_WORKING_SETS = 50
MOST_NEWTON_STEPS = 50
"""Of skglm: for one penalty, and for one working set."""
MOST_SWEEPS = 20_000
"""Of scikit-learn's coordinate descent, for one penalty."""
CLIPPED = 1e-5
"""Probabilities in the deviance, as in glmnet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LassoPath:
    """Coefficients along a path of falling penalties.

    Parameters
    ----------
    lambdas : (penalties,)
    coefficients : (penalties, features)
    intercepts : (penalties,)
    """

    lambdas: FloatArray
    coefficients: FloatArray
    intercepts: FloatArray

    def linear(self, X: FloatArray) -> FloatArray:
        """Linear predictor of each row under each penalty: (rows, penalties)."""
        return np.asarray(X @ self.coefficients.T + self.intercepts)


def gaussian_path(X: FloatArray, y: FloatArray, lambdas: FloatArray) -> LassoPath:
    """Least squares path, by scikit-learn's ``lasso_path``."""
    x_mean, y_mean = X.mean(axis=0), y.mean()
    _, coefficients, _ = lasso_path(
        X - x_mean, y - y_mean, alphas=lambdas, tol=1e-8, max_iter=MOST_SWEEPS
    )
    return LassoPath(
        lambdas=lambdas,
        coefficients=coefficients.T,
        intercepts=y_mean - coefficients.T @ x_mean,
    )


def binomial_path(
    X: FloatArray, y: FloatArray, lambdas: FloatArray, *, tolerance: float = 1e-9
) -> LassoPath:
    """Logistic path, by skglm's ``SparseLogisticRegression``; ``y`` is 0 or 1.

    Parameters
    ----------
    tolerance
        Largest violation of an optimality condition.

    Raises
    ------
    ValueError
        One class only.
    """
    if y.mean() in (0.0, 1.0):
        raise ValueError("one class only, in the sample or in the training part of a fold")
    model = SparseLogisticRegression(
        tol=tolerance, max_iter=MOST_WORKING_SETS, max_epochs=MOST_NEWTON_STEPS, warm_start=True
    )
    columns = np.asfortranarray(X)
    coefficients, intercepts = [], []
    for penalty in lambdas:
        model.set_params(alpha=float(penalty)).fit(columns, y)
        coefficients.append(model.coef_[0])
        intercepts.append(model.intercept_)
    return LassoPath(
        lambdas=lambdas, coefficients=np.array(coefficients), intercepts=np.array(intercepts)
    )


def squared_error(y: FloatArray, linear: FloatArray) -> FloatArray:
    """Loss of each row under each penalty: (rows, penalties)."""
    return np.asarray((y[:, None] - linear) ** 2)


def deviance(y: FloatArray, linear: FloatArray) -> FloatArray:
    """Twice the negative log-likelihood of each row under each penalty: (rows, penalties)."""
    p = np.clip(expit(linear), CLIPPED, 1 - CLIPPED)
    return np.asarray(-2 * np.where(y[:, None] > 0, np.log(p), np.log1p(-p)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """How a path is fitted, and how its predictions are judged on held-out rows."""

    path: Callable[[FloatArray, FloatArray, FloatArray], LassoPath]
    loss: Callable[[FloatArray, FloatArray], FloatArray]


GAUSSIAN: Final = Family(path=gaussian_path, loss=squared_error)
BINOMIAL: Final = Family(path=binomial_path, loss=deviance)


def lambda_path(X: FloatArray, y: FloatArray, n: int = N_LAMBDAS) -> FloatArray:
    """Falling penalties from the smallest that empties the model; the same for both families.

    The last is 1e-4 of the first, 1e-2 where there are fewer cases than features (glmnet).
    """
    largest = np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / len(y)
    ratio = 1e-4 if len(X) > X.shape[1] else 1e-2
    return np.geomspace(max(largest, 1e-12), max(largest, 1e-12) * ratio, n)


class _LassoPathEstimator(BaseEstimator):
    """What both families share: the path, the folds and the rule.

    Parameters
    ----------
    lambdas : (penalties,), optional
        Falling; default `lambda_path`.
    n_lambdas
        Length of the default path.
    cv
        Folds, or a splitter (``StratifiedGroupKFold`` with ``groups`` keeps patients whole).
    rule
        "1se": the largest penalty whose error is within one standard error of the least. "min":
        the least.

    Attributes
    ----------
    coef_, intercept_
        Of the chosen penalty.
    lambda_, lambda_min_, lambda_1se_ : float
    cv_error_, cv_standard_error_ : (penalties,)
        Mean over the folds, weighted by their sizes: mean squared error or deviance.
    path_ : LassoPath
    """

    def __init__(
        self,
        *,
        lambdas: ArrayLike | None = None,
        n_lambdas: int = N_LAMBDAS,
        cv: Any = 10,
        rule: Rule = "1se",
    ) -> None:
        self.lambdas = lambdas
        self.n_lambdas = n_lambdas
        self.cv = cv
        self.rule = rule

    def _fit_path(
        self, family: Family, X: FloatArray, y: FloatArray, groups: ArrayLike | None
    ) -> int:
        """Fit the path and the folds; gives the number of the chosen penalty."""
        lambdas = lambda_path(X, y, self.n_lambdas)
        if self.lambdas is not None:
            lambdas = -np.sort(-np.asarray(self.lambdas, np.float64))
        splitter = check_cv(self.cv, y, classifier=is_classifier(self))
        errors, sizes = [], []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # of the smallest penalties
            for train, test in splitter.split(X, y, groups):
                linear = family.path(X[train], y[train], lambdas).linear(X[test])
                errors.append(family.loss(y[test], linear).mean(axis=0))
                sizes.append(len(test))
            self.path_ = family.path(X, y, lambdas)
        self.cv_error_ = np.average(errors, axis=0, weights=sizes)
        spread = np.average((np.array(errors) - self.cv_error_) ** 2, axis=0, weights=sizes)
        self.cv_standard_error_ = np.sqrt(spread / (len(sizes) - 1))
        best = int(self.cv_error_.argmin())
        within = self.cv_error_ <= self.cv_error_[best] + self.cv_standard_error_[best]
        self.lambda_min_ = float(lambdas[best])
        self.lambda_1se_ = float(lambdas[int(within.argmax())])
        chosen = int(within.argmax()) if self.rule == "1se" else best
        self.lambda_ = float(lambdas[chosen])
        return chosen


class LassoPathRegressor(RegressorMixin, _LassoPathEstimator):
    """Gaussian LASSO; parameters and attributes as in `_LassoPathEstimator`."""

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Fit the path and choose the penalty.

        Parameters
        ----------
        X : (subjects, features)
        y : (subjects,)
        groups : (subjects,), optional
            Patient of each row, for splitters that use it.
        """
        features, target = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        chosen = self._fit_path(GAUSSIAN, features, np.asarray(target, np.float64), groups)
        self.coef_ = self.path_.coefficients[chosen]
        self.intercept_ = float(self.path_.intercepts[chosen])
        return self

    def predict(self, X: ArrayLike) -> FloatArray:
        """Linear predictor of each row."""
        check_is_fitted(self)
        features = validate_data(self, X, reset=False, dtype=np.float64)
        return np.asarray(features @ self.coef_ + self.intercept_)


class LassoPathClassifier(ClassifierMixin, _LassoPathEstimator):
    """Binomial LASSO of two classes; parameters and attributes as in `_LassoPathEstimator`.

    ``coef_`` is (1, features) and ``intercept_`` (1,), as in `LogisticRegression`.
    """

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Fit the path and choose the penalty; arguments as in `LassoPathRegressor.fit`."""
        features, target = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(target)
        self.classes_, labels = np.unique(target, return_inverse=True)
        if len(self.classes_) > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is multiclass."
            )
        if len(self.classes_) < 2:
            raise ValueError(
                f"LassoPathClassifier needs two classes, got 1 class: {self.classes_[0]!r}"
            )
        chosen = self._fit_path(BINOMIAL, features, labels.astype(np.float64), groups)
        self.coef_ = self.path_.coefficients[[chosen]]
        self.intercept_ = self.path_.intercepts[[chosen]]
        return self

    def decision_function(self, X: ArrayLike) -> FloatArray:
        """Linear predictor (log odds of the second class) of each row."""
        check_is_fitted(self)
        features = validate_data(self, X, reset=False, dtype=np.float64)
        return np.asarray(features @ self.coef_[0] + self.intercept_[0])

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """Probability of each class: (rows, 2)."""
        second = expit(self.decision_function(X))
        return np.column_stack([1 - second, second])

    def predict(self, X: ArrayLike) -> NDArray[np.generic]:
        """More probable class of each row."""
        second = self.decision_function(X) > 0
        return np.asarray(self.classes_[second.astype(np.intp)])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags
