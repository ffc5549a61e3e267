"""Read tables of radiomic features in CSV: key columns, and one column per feature."""

import csv
from collections.abc import Collection
from pathlib import Path

import numpy as np

from training.statistics.errors import UnusableSample
from training.statistics.sample import FloatArray


def read_feature_rows(
    file: Path, keys: Collection[str], *, needed: Collection[str]
) -> tuple[list[dict[str, str]], tuple[str, ...], FloatArray]:
    """Read a table of features.

    Parameters
    ----------
    keys
        Columns that are not features; they may be absent.
    needed
        Key columns that must be present.

    Returns
    -------
    rows
        All columns as text.
    names
        Names of the features.
    values : (rows, features)

    Raises
    ------
    UnusableSample
        A needed column is missing, the table has no row or no feature, or a feature is not a
        number.
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
