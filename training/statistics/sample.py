"""Check the input of a statistic."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.statistics.errors import UnusableSample

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IndexArray = NDArray[np.intp]


def finite(name: str, values: ArrayLike, ndim: int = 1) -> FloatArray:
    """Return an array of finite numbers.

    Raises
    ------
    UnusableSample
        The array is empty, has another number of axes, or contains NaN or infinity.
    """
    array = np.asarray(values, np.float64)
    if array.ndim != ndim or array.size == 0:
        raise UnusableSample(f"{name} has shape {array.shape}", f"{ndim} axes, not empty")
    if not np.isfinite(array).all():
        raise UnusableSample(
            f"{name} has {np.count_nonzero(~np.isfinite(array))} values not finite"
        )
    return array


def binary(truth: ArrayLike, *scores: ArrayLike) -> tuple[BoolArray, list[FloatArray]]:
    """Return truth as booleans, and the scores as arrays of the same length.

    Raises
    ------
    UnusableSample
        Truth has values other than 0 and 1, a class is missing, or a score has another length.
    """
    labels = finite("truth", truth)
    if not np.isin(labels, (0, 1)).all():
        raise UnusableSample(f"truth has the values {np.unique(labels)[:5]}", "0 and 1")
    positive = labels == 1
    if positive.all() or not positive.any():
        raise UnusableSample(f"all {len(positive)} cases are of one class", "both classes")
    arrays = [finite("score", score) for score in scores]
    for array in arrays:
        same_length("score", array, len(positive))
    return positive, arrays


def same_length(name: str, array: NDArray[np.generic], n: int) -> None:
    """Raise `UnusableSample` if an array has not ``n`` values."""
    if len(array) != n:
        raise UnusableSample(f"{name} has {len(array)} values", f"{n}")
