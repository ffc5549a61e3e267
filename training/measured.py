"""What an evaluation says: one measured figure, and how two masks overlap."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured figure."""

    on: str
    what: str
    value: float
    goal: str
    n: int


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Dice coefficient, four digits."""
    total = int(one.sum()) + int(other.sum())
    return round(2 * int((one & other).sum()) / total, 4) if total else 0.0
