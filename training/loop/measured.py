"""Parts that all evaluations share: one result row, the reference labels, the Dice coefficient."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One result of an evaluation."""

    on: str
    what: str
    value: float
    goal: str
    n: int


def given_labels(data: Path, name: str) -> NDArray[Any]:
    """Read a label map of the data folder; it is on the grid of its CT."""
    return np.asarray(nib.Nifti1Image.from_filename(data / "ct" / f"{name}.nii.gz").dataobj)


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Dice coefficient rounded to four digits; 0 if both masks are empty."""
    total = int(one.sum()) + int(other.sum())
    return round(2 * int((one & other).sum()) / total, 4) if total else 0.0
