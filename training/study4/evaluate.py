"""Measure the shipped DCNN of study 4 on test subjects: another family of skeletons, scanner, kernels.

``training.study4`` has the results of the whole test part and of the classifiers.
"""

import tempfile
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from models.inference import default_device
from models.registry import network
from pipelines.secondary.chest.central_slice import DCNN_MODEL
from training.loop.measured import Row
from training.loop.parallel import for_each
from training.study4.examples import make_subject, read_subjects
from training.study4.plan import SIZES, Part, plan_cohort
from training.study4.predict import mean_dice, outline_all

SEED: Final = 4
"""Seed of the cohort of study 4."""


def outline_rows(subjects: int) -> list[Row]:
    """Mean Dice over the slices of the first test subjects."""
    cohort = plan_cohort(SIZES, SEED)
    rows = np.flatnonzero(cohort.part == Part.TEST)[:subjects].tolist()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for_each(partial(make_subject, cohort, folder), rows, "chests")
        device = default_device()
        regions = outline_all(read_subjects(folder), network(DCNN_MODEL, device), device)
    value = round(mean_dice(regions), 4)
    return [
        Row(
            on="virtual test set", what="Dice chest DCNN", value=value, goal="0.951", n=len(regions)
        )
    ]
