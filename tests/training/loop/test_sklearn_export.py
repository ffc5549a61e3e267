"""Exported models predict as scikit-learn does; damaged and wrong files are refused."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import RFE, SelectKBest, VarianceThreshold
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from models import coefficients, forest
from models.cards import ModelCard, checked_content
from models.errors import DigestMismatch, ModelError, UnknownModel
from training.loop.about import Kind, Source
from training.loop.sklearn_export import forest_model_of, linear_model_of, save_model, shrink
from training.selection.mrmr import MrmrSelector

ROWS, COLUMNS = 160, 30
NAMES = [f"feature_{index}" for index in range(COLUMNS)]
CLASSES = ("normal", "osteopenia", "osteoporosis")
WORDS: dict[str, Any] = {
    "task": "test",
    "sources": [Source(kind=Kind.VIRTUAL, count=40, what="rows of make_classification")],
    "training": "this test",
    "metrics": (),
    "intended_use": "none",
    "limits": "all",
    "licence": "Apache-2.0",
}


def cases(classes: int) -> tuple[NDArray[np.float64], NDArray[np.int_]]:
    """Features with very different scales, one of them constant."""
    X, y = make_classification(
        ROWS, COLUMNS, n_informative=8, n_classes=classes, random_state=classes
    )
    X = X * np.geomspace(1e-3, 1e5, COLUMNS) + np.linspace(-50, 900, COLUMNS)
    X[:, 3] = 7.0
    return X, y


def row(values: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(NAMES, map(float, values), strict=True))


@pytest.fixture(scope="module")
def femur() -> Pipeline:
    """A pipeline like that of study 3, with few trees."""
    X, y = cases(3)
    chain = make_pipeline(
        VarianceThreshold(),
        StandardScaler(),
        RFE(RandomForestClassifier(10, random_state=0), n_features_to_select=20, step=5),
        MrmrSelector(12),
        RandomForestClassifier(30, class_weight="balanced", min_samples_leaf=5, random_state=0),
    )
    return chain.fit(X, y)


def test_a_forest_predicts_as_scikit_learn_does(femur: Pipeline) -> None:
    """Selectors, scaler and 30 trees, for every case of the sample."""
    X, _ = cases(3)
    model = forest_model_of(femur, NAMES, outcome="test", classes=CLASSES)

    ours = np.array([list(model.probabilities(row(values)).values()) for values in X])

    np.testing.assert_allclose(ours, femur.predict_proba(X), rtol=0, atol=1e-12)
    assert set(model.features) < set(NAMES)


def test_a_forest_survives_its_file(femur: Pipeline) -> None:
    """After writing and reading, bytes and probabilities are the same."""
    X, _ = cases(3)
    model = forest_model_of(femur, NAMES, outcome="test", classes=CLASSES)

    again = forest.forest_from_bytes(model.to_bytes())

    assert again.to_bytes() == model.to_bytes()
    assert again.probabilities(row(X[5])) == model.probabilities(row(X[5]))
    assert (again.outcome, again.classes) == ("test", CLASSES)


def test_the_r_score_predicts_as_scikit_learn_does() -> None:
    """In a pipeline like that of study 2, R is the decision function and its logistic the probability."""
    X, y = cases(2)
    lasso = LogisticRegression(l1_ratio=1, C=0.138, solver="liblinear")
    chain = make_pipeline(VarianceThreshold(), StandardScaler(), MrmrSelector(15), lasso).fit(X, y)
    model = linear_model_of(chain, NAMES, outcome="R-score", units={"feature_0": "mm"})

    ours = [model.value(row(values)) for values in X]

    np.testing.assert_allclose(ours, chain.predict_proba(X)[:, 1], rtol=1e-10)
    sums = [model.intercept + sum(model.contributions(row(values)).values()) for values in X]
    np.testing.assert_allclose(sums, chain.decision_function(X), rtol=1e-9, atol=1e-12)
    assert 0 < len(model.terms) < 15


@pytest.mark.parametrize(
    "chain",
    [
        make_pipeline(StandardScaler(), LogisticRegression(C=0.3)),
        make_pipeline(VarianceThreshold(), SelectKBest(k=9), StandardScaler(), Lasso(alpha=0.02)),
        make_pipeline(StandardScaler(with_mean=False), Lasso(alpha=0.01)),
    ],
    ids=["logistic", "selected lasso", "unscaled mean"],
)
def test_linear_chains_predict_as_scikit_learn_does(chain: Pipeline) -> None:
    """This holds for any order of selectors and scaler."""
    X, y = cases(2)
    chain.fit(X, y)
    model = linear_model_of(chain, NAMES, outcome="test")

    ours = [model.value(row(values)) for values in X]

    logistic = hasattr(chain, "predict_proba")
    theirs = chain.predict_proba(X)[:, 1] if logistic else chain.predict(X)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    assert model.link == ("logit" if logistic else "identity")


def test_a_step_that_mixes_features_cannot_be_exported() -> None:
    """Only scalers and selectors keep the features."""
    X, y = cases(2)
    chain = make_pipeline(PolynomialFeatures(1), LogisticRegression(max_iter=5000))
    chain.fit(X / np.abs(X).max(axis=0), y)

    with pytest.raises(ValueError, match="PolynomialFeatures"):
        shrink(chain, NAMES)


@pytest.mark.parametrize("kind", ["coefficients", "forest"])
def test_a_saved_model_is_loaded_by_its_card(
    kind: str, femur: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The written file loads; a changed file and the wrong reader are refused."""
    X, y = cases(2)
    card = save_model(
        tmp_path,
        forest_model_of(femur, NAMES, outcome="test", classes=CLASSES)
        if kind == "forest"
        else linear_model_of(
            make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y), NAMES, outcome="test"
        ),
        name=f"some_{kind}",
        version="0.1.0",
        **WORDS,
    )
    written = ModelCard.model_validate_json((tmp_path / f"some_{kind}.json").read_text())
    assert written == card
    content = (tmp_path / card.file).read_bytes()
    assert hashlib.sha256(content).hexdigest() == card.sha256
    for module in (coefficients, forest):
        monkeypatch.setattr(module, "WEIGHTS_FOLDER", tmp_path)
        monkeypatch.setattr(module, "card", lambda _: written)
    read = {
        "coefficients": coefficients.linear_model.__wrapped__,
        "forest": forest.forest_model.__wrapped__,
    }

    read[kind](card.name)
    with pytest.raises(UnknownModel):
        read["forest" if kind == "coefficients" else "coefficients"](card.name)
    (tmp_path / card.file).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DigestMismatch):
        checked_content(tmp_path / card.file, card.sha256)
    with pytest.raises(DigestMismatch):
        read[kind](card.name)


def test_a_missing_or_infinite_input_gives_no_prediction(femur: Pipeline) -> None:
    """Inputs have no default values."""
    X, _ = cases(3)
    model = forest_model_of(femur, NAMES, outcome="test", classes=CLASSES)
    whole = row(X[0])

    with pytest.raises(KeyError):
        model.probabilities({name: whole[name] for name in model.features[1:]})
    with pytest.raises(ValueError, match="finite"):
        model.probabilities(whole | {model.features[0]: float("nan")})


@pytest.fixture(scope="module")
def content() -> bytes:
    """Bytes of a small forest."""
    X, y = cases(2)
    chain = make_pipeline(StandardScaler(), RandomForestClassifier(2, max_depth=2, random_state=1))
    return forest_model_of(chain.fit(X, y), NAMES, outcome="", classes=("a", "b")).to_bytes()


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_bytes_are_refused_or_still_a_forest(content: bytes, data: st.DataObject) -> None:
    """The parser neither crashes nor loops forever in a tree."""
    damaged = bytearray(content[: data.draw(st.integers(0, len(content)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        model = forest.forest_from_bytes(bytes(damaged))
    except ModelError:
        return
    values = dict.fromkeys(model.features, 1.0)
    assert len(model.probabilities(values)) == len(model.classes)
