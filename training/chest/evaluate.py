"""Measure the shipped DCNN of study 4 on test subjects: another family of skeletons, scanner, kernels.

Takes  the shipped DCNN
Gives  Row
Next   training.evaluate_segmentation

The whole test part and the networks' classes: ``training.studies.study4``.
"""

import tempfile
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from models.inference import default_device
from models.registry import network
from pipelines.chest_slice import DCNN_MODEL
from training.chest.examples import make_subject, read_subjects
from training.chest.plan import SIZES, Part, plan_cohort
from training.chest.predict import mean_dice, outline_all
from training.measured import Row
from training.parallel import for_each

SEED: Final = 4
"""Of the cohort that study 4 is run on."""


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
