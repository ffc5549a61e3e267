"""Load random forests without pickle: trees as arrays in a safetensors file.

Takes  card
Gives  ForestModel
Next   nothing

The digest of the file must be that of its card. Free of torch and of scikit-learn: shipped files
stay readable when these libraries change. The inputs are
scaled here (``(value - centre) / scale``), so that nothing but the file and the named features is
needed. ``training.loop.sklearn_export`` writes such files.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from models.cards import WEIGHTS_FOLDER, card, checked_content
from models.errors import ModelError, UnknownModel

LEAF: Final = -1
"""Child of a node that has none."""
ABOUT: Final = "about"
"""Tensor of bytes: JSON with the names of features and classes, and the outcome."""
ARRAYS: Final = {
    "centre": np.float64,
    "scale": np.float64,
    "roots": np.int32,
    "left": np.int32,
    "right": np.int32,
    "feature": np.int32,
    "threshold": np.float64,
    "share": np.float64,
}
REACH: Final = {"middle": np.float64, "precision": np.float64}
"""Arrays of a forest that describe the distribution of its training cases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReach:
    """Where the training cases lie, in scaled inputs.

    Parameters
    ----------
    middle : (features,)
    precision : (features, features)
        Inverse of the covariance.
    farthest
        Mahalanobis distance that 99.5 % of the training cases stay within.
    """

    middle: NDArray[np.float64]
    precision: NDArray[np.float64]
    farthest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestModel:
    """A random forest classifier over named, scaled inputs.

    Parameters
    ----------
    outcome
        What the classes mean, and what they do not.
    features, classes
        Names.
    centre, scale : (features,)
    roots : (trees,)
        Node where each tree begins.
    left, right : (nodes,)
        Children; ``LEAF`` for a leaf. Left is taken where the input is at most the threshold.
    feature, threshold : (nodes,)
    share : (nodes, classes)
        Shares of the classes among the training cases at the node, weighted.
    reach
        Distribution of the training cases; ``None`` where the file has none.
    """

    outcome: str
    features: tuple[str, ...]
    classes: tuple[str, ...]
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    roots: NDArray[np.int32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    share: NDArray[np.float64]
    reach: TrainingReach | None = None

    def __post_init__(self) -> None:
        """Check that every index is valid, and that every path ends at a leaf.

        Raises
        ------
        ModelError
            The arrays are no forest.
        """
        nodes = len(self.left)
        inner = self.left != LEAF
        children = np.concatenate([self.left[inner], self.right[inner]])
        parents = np.tile(np.flatnonzero(inner), 2)
        sound = (
            all(len(part) == nodes for part in (self.right, self.feature, self.threshold))
            and self.share.shape == (nodes, len(self.classes))
            and len(self.centre) == len(self.scale) == len(self.features)
            and _within(self.roots, nodes)
            and _within(children, nodes)
            and bool((children > parents).all())
            and _within(self.feature[inner], len(self.features))
            and len(self.roots) > 0
            and bool((self.scale > 0).all())
            and bool(np.isfinite(self.share).all())
            and (self.reach is None or _fits(self.reach, len(self.features)))
        )
        if not sound:
            raise ModelError("arrays that are no forest", "children below their parents", "")

    def probabilities(self, values: Mapping[str, float]) -> dict[str, float]:
        """Mean over the trees of the shares of the classes.

        Parameters
        ----------
        values
            By feature name; others are ignored.

        Raises
        ------
        KeyError
            An input is missing: there are no defaults.
        ValueError
            An input is not a finite number.
        """
        # Single precision, as in scikit-learn, so that the same branches are taken.
        scaled = self._scaled(values).astype(np.float32)
        node = self.roots
        while (inner := self.left[node] != LEAF).any():
            go_left = scaled[self.feature[node]] <= self.threshold[node]
            child = np.where(go_left, self.left[node], self.right[node])
            node = np.where(inner, child, node)
        shares = self.share[node].mean(axis=0)
        return {name: float(share) for name, share in zip(self.classes, shares, strict=True)}

    def is_like_training(self, values: Mapping[str, float]) -> bool:
        """Whether the inputs lie among the training cases; true where the file does not hold their range.

        Raises as `probabilities` does.

        Source
        ------
        docs/domain.md 4.4: Mahalanobis distance beyond the 99.5th percentile.
        """
        away = self._scaled(values)
        if self.reach is None:
            return True
        away = away - self.reach.middle
        return bool(np.sqrt(away @ self.reach.precision @ away) <= self.reach.farthest)

    def _scaled(self, values: Mapping[str, float]) -> NDArray[np.float64]:
        raw = np.array([values[name] for name in self.features], np.float64)
        if not np.isfinite(raw).all():
            raise ValueError("an input is not a finite number")
        return np.asarray((raw - self.centre) / self.scale)

    def to_bytes(self) -> bytes:
        """Content of the safetensors file."""
        about: dict[str, object] = {
            "outcome": self.outcome,
            "features": self.features,
            "classes": self.classes,
        }
        arrays = {name: getattr(self, name) for name in ARRAYS}
        kinds = dict(ARRAYS)
        if self.reach is not None:
            about["farthest"] = self.reach.farthest
            arrays |= {name: getattr(self.reach, name) for name in REACH}
            kinds |= REACH
        text = np.frombuffer(json.dumps(about).encode(), np.uint8)
        exact = {name: np.ascontiguousarray(arrays[name], kind) for name, kind in kinds.items()}
        return save({ABOUT: text, **exact})


def forest_from_bytes(content: bytes) -> ForestModel:
    """Forest in the content of a safetensors file.

    Raises
    ------
    ModelError
        The content is no forest.
    """
    try:
        arrays = load(content)
        about = json.loads(arrays.pop(ABOUT).tobytes())
        return ForestModel(
            outcome=str(about["outcome"]),
            features=tuple(about["features"]),
            classes=tuple(about["classes"]),
            reach=_reach(about, arrays),
            **{name: arrays[name].astype(kind) for name, kind in ARRAYS.items()},
        )
    except (SafetensorError, KeyError, ValueError, TypeError, IndexError) as error:
        raise ModelError(
            "a file that holds no forest", "what training.loop.sklearn_export writes", ""
        ) from error


@cache
def forest_model(name: str) -> ForestModel:
    """Forest of that name, loaded once per process.

    Raises
    ------
    UnknownModel
        No such card, or the card of something else.
    DigestMismatch
        The file is not the one that the card describes.
    """
    described = card(name)
    if described.kind != "forest":
        raise UnknownModel(f"model {name!r} is a {described.kind}", "forest", "")
    return forest_from_bytes(checked_content(WEIGHTS_FOLDER / described.file, described.sha256))


def _reach(
    about: Mapping[str, object], arrays: Mapping[str, NDArray[np.float64]]
) -> TrainingReach | None:
    if "farthest" not in about:
        return None
    return TrainingReach(
        farthest=float(str(about["farthest"])),
        **{name: arrays[name].astype(kind) for name, kind in REACH.items()},
    )


def _fits(reach: TrainingReach, features: int) -> bool:
    return (
        reach.middle.shape == (features,)
        and reach.precision.shape == (features, features)
        and bool(np.isfinite(reach.middle).all())
        and bool(np.isfinite(reach.precision).all())
        and reach.farthest > 0
    )


def _within(index: NDArray[np.integer], size: int) -> bool:
    return bool(((index >= 0) & (index < size)).all())
