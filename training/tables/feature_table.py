"""Tables of radiomic features as CSV: some named columns, and one for each feature."""

import csv
from collections.abc import Collection
from pathlib import Path

import numpy as np

from training.statistics.errors import UnusableSample
from training.statistics.sample import FloatArray


def read_feature_rows(
    file: Path, keys: Collection[str], *, needed: Collection[str]
) -> tuple[list[dict[str, str]], tuple[str, ...], FloatArray]:
    """Read a table.

    Parameters
    ----------
    keys
        Columns that are not features, where they are there.
    needed
        Those of them that must be.

    Returns
    -------
    rows
        Every column as text.
    names
        Of the features.
    values : (rows, features)

    Raises
    ------
    UnusableSample
        A needed column is missing, no row or feature is there, or a feature is not a number.
    """
    with file.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        columns = tuple(reader.fieldnames or ())
        rows = list(reader)
    names = tuple(name for name in columns if name not in keys)
    if not set(needed) <= set(columns) or not names or not rows:
        raise UnusableSample(f"{file.name} has columns {columns[:6]}", ", ".join(needed))
    try:
        values = np.array([[float(one[name]) for name in names] for one in rows])
    except (TypeError, ValueError) as error:
        raise UnusableSample(f"{file.name}: {error}", "a number in every feature") from error
    if not np.isfinite(values).all():
        raise UnusableSample(f"{file.name} has NaN or infinity", "a number in every feature")
    return rows, names, values
