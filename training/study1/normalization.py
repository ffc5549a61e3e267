"""Compare three HU normalisations for study 1's density network: fixed window and two min-max kinds.

    python -m training.study1.normalization --out docs/results/study1/normalization --epochs 12

The study scales every crop by its own minimum and maximum. Three networks start from the same random
weights and are trained on the same vertebrae in the same order for the same epochs. Only the scaling
differs. They serve this comparison and are not shipped. ``--work`` keeps them, so that an interrupted
run can continue.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from pipelines.secondary.dxa_equivalent.network_input import Normalization
from training.statistics.agreement import mean_absolute_error
from training.statistics.bootstrap import bootstrap
from training.study1.examples import Example, read_examples
from training.study1.networks import correlation, draw_training, training_note
from training.study1.predict import baseline, predict
from training.study1.train import FULL, LEARNING_RATE, Config, read_stride, train
from training.tables.table import VIRTUAL, Row, Stopwatch, StudyTable, markdown, row, write_table

Values = NDArray[np.float64]
COHORT: Final = f"{VIRTUAL}, test, vertebrae"
NOTES: Final = (
    "Each network was trained from random weights for the same epochs, with the same seed and order. None "
    "is the shipped one, which was trained for longer.",
    "Intervals, also of differences: bootstrap over patients (2000). Baseline: a straight line from the "
    "mean HU of the core.",
)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="folder for table.json, table.md and pictures")
    parser.add_argument("--work", type=Path, default=Path("runs/study1"))
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument(
        "--stride", type=read_stride, default=FULL, help="voxels averaged to one: 2, or 2,4,4"
    )
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--micro", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=LEARNING_RATE)
    parser.add_argument("--falling", action="store_true", help="cosine learning rate")
    parser.add_argument(
        "--bfloat16", action="store_true", help="early layers in bfloat16 if the CPU supports it"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = vars(parser.parse_args())
    out, work = options.pop("out"), options.pop("work")
    watch = Stopwatch(
        module="training.study1.normalization",
        seed=options["seed"],
        device=options["device"],
    )
    runs = {
        one: Config(
            task="bmd",
            examples=work / "examples",
            out=work / "normalization" / one.value,
            normalization=one,
            resume=True,
            **options,
        )
        for one in Normalization
    }
    for config in runs.values():
        train(config)
    everyone = read_examples(work / "examples")
    test = [one for one in everyone if one.is_test]
    predicted = {one: predict(test, config) for one, config in runs.items()}
    plain, _ = baseline([one for one in everyone if not one.is_test], test)
    rows = trained_rows(test, predicted, plain)
    notes = (*NOTES, *(training_note(config.out) for config in runs.values()))
    table = StudyTable(study="Study 1, normalisation", run=watch.stop(), rows=rows, notes=notes)
    print(markdown(table))
    if out:
        write_table(table, out)
        draw_training([config.out for config in runs.values()], out / "training.png")


def trained_rows(
    test: Sequence[Example], predicted: Mapping[Normalization, Values], plain: Values
) -> list[Row]:
    """Correlation and error with each scaling, and the loss of correlation by min-max scaling.

    Parameters
    ----------
    predicted
        Areal density of every vertebra of ``test``, g/cm2.
    plain
        The same, predicted from the mean HU alone.
    """
    truth = np.array([one.abmd_g_cm2 for one in test])
    patient = np.array([one.patient for one in test])
    rows = []
    for name, measure in (("r", correlation), ("MAE, g/cm2", mean_absolute_error)):
        beside = measure(plain, truth)
        for one, values in predicted.items():
            found = bootstrap(
                lambda at, measure=measure, values=values: measure(values[at], truth[at]),  # type: ignore[misc]
                len(truth),
                clusters=patient,
            )
            what = f"{name}, {one.value}"
            rows.append(row(what, found, n=len(truth), cohort=COHORT, baseline=beside))
    window = predicted[Normalization.FIXED_WINDOW]
    for one in (Normalization.CROP_MINMAX, Normalization.MASKED_MINMAX):
        values = predicted[one]
        found = bootstrap(
            lambda at, values=values: (  # type: ignore[misc]
                correlation(window[at], truth[at]) - correlation(values[at], truth[at])
            ),
            len(truth),
            clusters=patient,
        )
        what = f"r of fixed_window less r of {one.value}"
        rows.append(row(what, found, n=len(truth), cohort=COHORT))
    return rows


if __name__ == "__main__":
    main()
