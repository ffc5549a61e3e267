"""Convert fitted scikit-learn pipelines to model files without pickle, with their card.

A pipeline has selectors, at most one scaler, and a linear model or random forest as its last step.
The file holds the selected features, their centre and scale, and the last step. Reading it needs no
scikit-learn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.covariance import LedoitWolf
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from models.cards import ModelCard
from models.coefficients import LinearModel, Term
from models.forest import LEAF, ForestModel, TrainingReach
from training.loop.about import Source, data_words
from training.loop.model_files import write_model

SUFFIX: Final = {"coefficients": ".coefficients.json", "forest": ".safetensors"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """A pipeline reduced to its selected features, their scaling and the last step.

    Parameters
    ----------
    features
        Names of the inputs of the last step, in its order.
    centre, scale : (features,)
        Parameters of the scaler; 0 and 1 if there is none.
    estimator
        The fitted last step.
    """

    features: tuple[str, ...]
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    estimator: Any


def shrink(chain: Pipeline, names: Sequence[str]) -> Shrunk:
    """Reduce a pipeline to the features that reach its last step.

    Parameters
    ----------
    chain
        Fitted pipeline.
    names
        Names of the columns that it was fitted on.

    Raises
    ------
    ValueError
        A step is neither a `StandardScaler` nor a selector, or is a second scaler.
    """
    kept = np.arange(len(names))
    centre, scale = np.zeros(len(names)), np.ones(len(names))
    scaled = False
    for name, step in chain.steps[:-1]:
        if isinstance(step, StandardScaler) and not scaled:
            centre[kept] = step.mean_ if step.with_mean else 0.0
            scale[kept] = step.scale_ if step.with_std else 1.0
            scaled = True
        elif hasattr(step, "get_support"):
            kept = kept[step.get_support(indices=True)]
        else:
            raise ValueError(f"step {name!r} ({type(step).__name__}) cannot be exported")
    return Shrunk(
        features=tuple(names[int(index)] for index in kept),
        centre=centre[kept],
        scale=scale[kept],
        estimator=chain.steps[-1][1],
    )


def linear_model_of(
    chain: Pipeline,
    names: Sequence[str],
    *,
    outcome: str,
    units: Mapping[str, str] | None = None,
) -> LinearModel:
    """Convert a pipeline that ends in a linear or a two-class logistic model.

    The result has no features with a coefficient of zero.

    Parameters
    ----------
    units
        UCUM unit by feature name; ``1`` for features that are missing here.
    """
    left = shrink(chain, names)
    coefficients = np.ravel(left.estimator.coef_)
    if len(coefficients) != len(left.features):
        raise ValueError("only one target or two classes can be exported")
    terms = tuple(
        Term(
            name=name,
            unit=(units or {}).get(name, "1"),
            coefficient=float(coefficient),
            centre=float(centre),
            scale=float(scale),
        )
        for name, coefficient, centre, scale in zip(
            left.features, coefficients, left.centre, left.scale, strict=True
        )
        if coefficient != 0
    )
    return LinearModel(
        outcome=outcome,
        link="logit" if is_classifier(left.estimator) else "identity",
        intercept=float(np.ravel(left.estimator.intercept_)[0]),
        terms=terms,
    )


REACH_SHARE: Final = 0.995
"""Share of the training cases within the largest accepted distance (docs/domain.md 4.4)."""


def training_reach(left: Shrunk, X: NDArray[np.float64], names: Sequence[str]) -> TrainingReach:
    """Mean and Ledoit-Wolf covariance of the training cases, and the largest accepted distance.

    Parameters
    ----------
    X : (cases, columns)
        Values of the training cases; ``names`` holds the name of each column.
    """
    columns = [list(names).index(one) for one in left.features]
    scaled = (X[:, columns] - left.centre) / left.scale
    fitted = LedoitWolf().fit(scaled)
    return TrainingReach(
        middle=fitted.location_,
        precision=fitted.precision_,
        farthest=float(np.quantile(np.sqrt(fitted.mahalanobis(scaled)), REACH_SHARE)),
    )


def forest_model_of(
    chain: Pipeline,
    names: Sequence[str],
    *,
    outcome: str,
    classes: Sequence[str],
    seen: NDArray[np.float64] | None = None,
) -> ForestModel:
    """Convert a pipeline that ends in a `RandomForestClassifier`.

    Parameters
    ----------
    classes
        Names in the order of the forest's ``classes_``.
    seen : (cases, names)
        Training cases. With them the model can report the Mahalanobis distance of a new case.
    """
    left = shrink(chain, names)
    forest = left.estimator
    if not isinstance(forest, RandomForestClassifier):
        raise TypeError(f"{type(forest).__name__} is no random forest")
    trees = [tree.tree_ for tree in forest.estimators_]
    sizes = np.array([tree.node_count for tree in trees])
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]])

    def children(side: str) -> NDArray[np.int32]:
        parts = [
            np.where(getattr(tree, side) == LEAF, LEAF, getattr(tree, side) + root)
            for tree, root in zip(trees, roots, strict=True)
        ]
        return np.concatenate(parts).astype(np.int32)

    share = np.concatenate([tree.value[:, 0, :] for tree in trees])
    return ForestModel(
        outcome=outcome,
        features=left.features,
        classes=tuple(classes),
        centre=left.centre,
        scale=left.scale,
        roots=roots.astype(np.int32),
        left=children("children_left"),
        right=children("children_right"),
        feature=np.concatenate([tree.feature for tree in trees]).astype(np.int32),
        threshold=np.concatenate([tree.threshold for tree in trees]),
        share=share / share.sum(axis=1, keepdims=True),
        reach=None if seen is None else training_reach(left, seen, names),
    )


def save_model(
    folder: Path,
    model: LinearModel | ForestModel,
    *,
    name: str,
    version: str,
    sources: Sequence[Source],
    **description: Any,
) -> ModelCard:
    """Write a model file and its card, digest included.

    Parameters
    ----------
    sources
        Data that the model was fitted to; the card names these.
    description
        The other fields of `ModelCard`: task, training, metrics, intended_use, limits,
        licence.
    """
    kind: Literal["coefficients", "forest"]
    if isinstance(model, LinearModel):
        kind, network = "coefficients", "logistic regression" if model.link == "logit" else "linear"
        content = (model.model_dump_json(indent=2) + "\n").encode()
    else:
        kind, network, content = "forest", "random forest", model.to_bytes()
    file = name + SUFFIX[kind]
    return write_model(
        folder,
        content,
        name=name,
        version=version,
        kind=kind,
        network=network,
        file=file,
        training_data=data_words(sources),
        **description,
    )
