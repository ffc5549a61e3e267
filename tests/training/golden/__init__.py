"""Tables on which other programs were run, for comparison."""

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent


def table(name):
    """Columns of a CSV file by name."""
    return np.genfromtxt(FOLDER / f"{name}.csv", delimiter=",", names=True)
