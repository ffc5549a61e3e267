"""Checks of what goes into a statistic."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.statistics.errors import UnusableSample

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IndexArray = NDArray[np.intp]


def finite(name: str, values: ArrayLike, ndim: int = 1) -> FloatArray:
    """Array of finite numbers.

    Raises
    ------
    UnusableSample
        Empty, of another number of axes, or with NaN or infinity.
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
    """Truth as booleans and each score beside it.

    Raises
    ------
    UnusableSample
        Truth other than 0 and 1, one class missing, or scores of another length.
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
    """Refuse an array that does not belong to the others."""
    if len(array) != n:
        raise UnusableSample(f"{name} has {len(array)} values", f"{n}")
