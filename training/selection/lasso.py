"""LASSO over a path of penalties, chosen by cross-validation with the one-standard-error rule.

The convention is that of the R package glmnet (Friedman, Hastie, Tibshirani, J Stat Softw
2010;33:1): minimise  mean loss + lambda * sum |beta|  with a free intercept, where the loss is
half the squared error (Gaussian) or the negative log-likelihood (binomial). So lambda is
scikit-learn's ``alpha`` of `Lasso`, and 1 / (n C) of `LogisticRegression`. Features are taken as
they come (``standardize = FALSE``): put a `StandardScaler` before.

The binomial path is iteratively reweighted least squares around scikit-learn's ``enet_path``,
glmnet's own way, with linear equations once the support is known: of `LogisticRegression`'s solvers
liblinear penalises the intercept, and saga needs thousands of rounds on a path.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import enet_path, lasso_path
from sklearn.model_selection import check_cv
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from training.statistics.sample import FloatArray

Rule = Literal["1se", "min"]

N_LAMBDAS = 100
MOST_ROUNDS = 50
MOST_SWEEPS = 20_000
TOLERANCES: Final = (1e-5, 1e-7, 1e-9)
"""Of coordinate descent, one after the other until its support is the right one."""
KKT_SLACK: Final = 1e-9
SMALLEST_WEIGHT = 1e-5
"""Of a case that is certain: p (1 - p), as in glmnet."""
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
    X: FloatArray, y: FloatArray, lambdas: FloatArray, *, tolerance: float = 1e-7
) -> LassoPath:
    """Logistic path; ``y`` is 0 or 1.

    Raises
    ------
    ValueError
        One class only.
    """
    share = y.mean()
    if share in (0.0, 1.0):
        raise ValueError("one class only, in the sample or in the training part of a fold")
    coefficients, intercept = np.zeros(X.shape[1]), float(np.log(share / (1 - share)))
    found, offsets = [], []
    for penalty in lambdas:
        for _ in range(MOST_ROUNDS):
            old = np.append(coefficients, intercept)
            coefficients, intercept = _reweighted(X, y, float(penalty), coefficients, intercept)
            if np.abs(np.append(coefficients, intercept) - old).max() < tolerance:
                break
        found.append(coefficients)
        offsets.append(intercept)
    return LassoPath(lambdas=lambdas, coefficients=np.array(found), intercepts=np.array(offsets))


def _reweighted(
    X: FloatArray, y: FloatArray, penalty: float, coefficients: FloatArray, intercept: float
) -> tuple[FloatArray, float]:
    """One round: the LASSO of the working response, weighted by p (1 - p)."""
    eta = X @ coefficients + intercept
    p = expit(eta)
    weight = np.maximum(p * (1 - p), SMALLEST_WEIGHT)
    response = eta + (y - p) / weight
    x_mean, response_mean = (weight @ part / weight.sum() for part in (X, response))
    root = np.sqrt(weight)
    weighted = np.asfortranarray((X - x_mean) * root[:, None])
    found = _least_squares_lasso(
        weighted, (response - response_mean) * root, penalty, start=coefficients
    )
    return found, float(response_mean - x_mean @ found)


def _least_squares_lasso(
    X: FloatArray, y: FloatArray, penalty: float, *, start: FloatArray
) -> FloatArray:
    """Minimum of  |y - X b|^2 / 2n + penalty * sum |b|.

    Coordinate descent only finds which coefficients are not zero, and their signs; their values are
    then the solution of linear equations. With features that resemble each other descent alone
    would creep on for thousands of sweeps.
    """
    gram, moment = X.T @ X, X.T @ y
    found = _solved(gram, moment, penalty * len(y), start)
    for tolerance in TOLERANCES:
        if found is not None:
            return found
        _, path, _ = enet_path(
            X,
            y,
            l1_ratio=1.0,
            alphas=[penalty],
            precompute=gram,
            Xy=moment,
            coef_init=start.copy(),  # it is overwritten
            check_input=False,
            tol=tolerance,
            max_iter=MOST_SWEEPS,
        )
        start = path[:, 0]
        found = _solved(gram, moment, penalty * len(y), start)
    return start if found is None else found


def _solved(
    gram: FloatArray, moment: FloatArray, penalty: float, start: FloatArray
) -> FloatArray | None:
    """The LASSO with the support and the signs of ``start``; ``None`` where those are not its own.

    Source
    ------
    Karush-Kuhn-Tucker conditions: moment - gram b is penalty * sign(b) where b is not zero, and
    within the penalty elsewhere.
    """
    on = np.flatnonzero(start)
    signs = np.sign(start[on])
    found = np.zeros_like(start)
    try:
        found[on] = np.linalg.solve(gram[np.ix_(on, on)], moment[on] - penalty * signs)
    except np.linalg.LinAlgError:
        return None
    if not np.isfinite(found).all() or (np.sign(found[on]) != signs).any():
        return None
    gradient = np.delete(np.abs(moment - gram @ found), on)
    return None if (gradient > penalty * (1 + KKT_SLACK)).any() else found


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
            warnings.simplefilter("ignore", ConvergenceWarning)  # the outer loop judges
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
