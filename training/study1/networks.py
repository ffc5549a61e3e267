"""Results of study 1's two networks: compared with DXA, the published figures, and the mean HU."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from pipelines.secondary.dxa_equivalent.network_input import SPACING_MM, Normalization, normalized
from training.loop.checkpoint import LOG, STATE
from training.statistics.agreement import mean_absolute_error, root_mean_square_error
from training.statistics.bootstrap import bootstrap
from training.statistics.clustered import clustered_test
from training.statistics.confusion import counts
from training.statistics.delong import auc
from training.statistics.multiclass import one_vs_rest
from training.study1.examples import Example, make_examples, read_examples
from training.study1.plan import CLASSES, plan_cohort
from training.study1.predict import baseline, predict
from training.study1.train import Config, Stride, Task, train
from training.tables import figures
from training.tables.published import STUDY_1
from training.tables.table import VIRTUAL, Row, row

Values = NDArray[np.float64]
TASKS: Final[tuple[Task, ...]] = ("bmd", "status")

NOTES: Final = (
    "Settings that differ from the study, for a machine without accelerator: Adam 1e-3 (the study: "
    "1e-4) in batches of 16 (32), minutes instead of 200 epochs, coarser voxels. The class network "
    "started from the features of the density network. Training vertebrae were made up to 12 % deeper "
    "or shallower together with their label.",
    "Held-out family: common, which lies between the two training families in most of its numbers. With "
    "stout held out, as first planned, no test patient had osteoporosis.",
    "Labels: DXA of the rendered patient (projection of all mineral), class by the T-score of its L1-L4 "
    "copied to the levels, as the study does.",
    "Test patients: other patients with skeletons of another family, with a scanner and kernels that "
    "are not in the training data; drawn by the same program.",
    "Baseline: mean HU of the true trabecular core; a straight line to areal density, a "
    "multinomial logistic regression to the class, fitted on the training part.",
    "Intervals: bootstrap over patients (2000), Obuchowski's for AUC, since vertebrae of one patient "
    "are not independent.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRuns:
    """Folders and training time of the study's networks.

    Parameters
    ----------
    minutes
        Training time per network.
    trained
        Use the existing examples and networks; scan and train nothing.
    """

    work: Path
    patients: int
    jobs: int
    minutes: float
    epochs: int
    stride: Stride
    device: str
    seed: int
    falling: bool = False
    trained: bool = False

    def config(self, task: Task) -> Config:
        """Training configuration of one network; an interrupted training is resumed."""
        return Config(
            task=task,
            examples=self.work / "examples",
            out=self.work / f"{task}_{Normalization.FIXED_WINDOW.value}",
            epochs=self.epochs,
            minutes=self.minutes,
            stride=self.stride,
            falling=self.falling,
            device=self.device,
            resume=True,
            seed=self.seed,
        )


def network_rows(runs: NetworkRuns, out: Path | None) -> list[Row]:
    """Make examples, train both networks, predict and return the rows; ``out`` gets the figures."""
    examples = runs.work / "examples"
    if not runs.trained:
        make_examples(plan_cohort(runs.patients, runs.seed), examples, jobs=runs.jobs)
    everyone = read_examples(examples)
    fitted = [e for e in everyone if not e.is_test]
    test = [e for e in everyone if e.is_test]
    plain_bmd, plain_status = baseline(fitted, test)
    predicted: dict[Task, Values] = {}
    for task in TASKS:
        config = runs.config(task)
        if not runs.trained:
            train(config)
        predicted[task] = predict(test, config)
    bmd, status = predicted["bmd"], predicted["status"]
    rows = bmd_rows(test, bmd, plain_bmd) + status_rows(test, status, plain_status)
    rows += normalization_rows(test)
    if out:
        draw(test, bmd, status, out)
        draw_training([runs.config(task).out for task in TASKS], out / "training.png")
    return rows


def training_notes(runs: NetworkRuns) -> tuple[str, ...]:
    """Number of patients and training time of each network, read from the files of the run."""
    everyone = read_examples(runs.work / "examples")
    patients = {part: len({e.patient for e in everyone if e.is_test == part}) for part in (0, 1)}
    notes = [f"Scanned: {patients[0]} patients to train, {patients[1]} to test."]
    notes += [training_note(runs.config(task).out) for task in TASKS]
    return tuple(notes)


def training_note(folder: Path) -> str:
    """Text with steps, minutes and voxel size of one network."""
    state = json.loads((folder / STATE).read_text(encoding="utf-8"))
    slices, rows, columns = np.multiply(state["notes"]["stride"], SPACING_MM)
    return (
        f"Network {folder.name}: {state['step']} steps in {state['seconds'] / 60:.0f} minutes, voxels "
        f"of {slices:g} x {rows:g} x {columns:g} mm (slices, rows, columns)."
    )


def normalization_rows(test: Sequence[Example]) -> list[Row]:
    """Correlation with DXA of the mean over the core after each normalisation, without a network.

    A network cannot recover information that its input lacks. With ``crop_minmax`` it may still
    derive density from the contrast between core and surroundings.
    """
    truth = np.array([e.abmd_g_cm2 for e in test])
    means: dict[Normalization, list[float]] = {one: [] for one in Normalization}
    for example in test:
        hu, core = np.asarray(example.hu(), np.float32), example.core()
        for one, found in means.items():
            found.append(float(normalized(hu, one, core)[core].mean()))
    return [
        row(
            f"r of the mean over the core and DXA, {one.value}, no network",
            correlation(np.array(found), truth),
            n=len(test),
            cohort=f"{VIRTUAL}, test, vertebrae",
        )
        for one, found in means.items()
    ]


def bmd_rows(test: Sequence[Example], predicted: Values, plain: Values) -> list[Row]:
    """Correlation and errors of areal density, vertebra by vertebra and by patient."""
    truth = np.array([e.abmd_g_cm2 for e in test])
    patient = np.array([e.patient for e in test])
    cohort = f"{VIRTUAL}, test, vertebrae"
    measures: tuple[tuple[str, Callable[[Values, Values], float]], ...] = (
        ("r_test", correlation),
        ("mae_test", mean_absolute_error),
        ("rmse_test", root_mean_square_error),
    )
    rows = [row(STUDY_1["mean_abmd_test"], float(truth.mean()), n=len(truth), cohort=cohort)]
    for key, measure in measures:
        found = bootstrap(
            lambda at, measure=measure: measure(predicted[at], truth[at]),  # type: ignore[misc]
            len(truth),
            clusters=patient,
        )
        beside = measure(plain, truth)
        rows.append(row(STUDY_1[key], found, n=len(truth), cohort=cohort, baseline=beside))
    by_patient = [_by_patient(values, patient) for values in (predicted, truth, plain)]
    for name, measure in (("r", correlation), ("MAE, g/cm2", mean_absolute_error)):
        rows.append(
            row(
                f"{name}, mean of L1-L4",
                measure(by_patient[0], by_patient[1]),
                n=len(by_patient[0]),
                cohort=f"{VIRTUAL}, test, patients",
                baseline=measure(by_patient[2], by_patient[1]),
            )
        )
    return rows


def status_rows(test: Sequence[Example], predicted: Values, plain: Values) -> list[Row]:
    """AUC of each class by vertebra (patients' label) and by patient, and accuracy."""
    truth = np.array([e.status for e in test])
    patient = np.array([e.patient for e in test])
    rows = []
    areas = one_vs_rest(truth, predicted, clusters=patient)
    for number, (name, area) in enumerate(zip(CLASSES, areas, strict=True)):
        beside = auc(truth == number, plain[:, number])
        test_ = clustered_test(truth == number, predicted[:, number], plain[:, number], patient)
        cohort = f"{VIRTUAL}, test, vertebrae"
        rows.append(
            row(STUDY_1[f"auc_{name}_test"], area, n=len(truth), cohort=cohort, baseline=beside)
        )
        rows.append(
            row(f"P, {name}, network against mean HU", test_.p, n=len(truth), cohort=cohort)
        )
    first = np.unique(patient, return_index=True)[1]
    mean = np.stack([_by_patient(column, patient) for column in predicted.T], axis=1)
    mean_plain = np.stack([_by_patient(column, patient) for column in plain.T], axis=1)
    by_patient = one_vs_rest(truth[first], mean)
    cohort = f"{VIRTUAL}, test, patients"
    for number, (name, area) in enumerate(zip(CLASSES, by_patient, strict=True)):
        beside = auc(truth[first] == number, mean_plain[:, number])
        rows.append(
            row(f"AUC {name}, mean of L1-L4", area, n=len(first), cohort=cohort, baseline=beside)
        )
    right = float((mean.argmax(axis=1) == truth[first]).mean())
    plain_right = float((mean_plain.argmax(axis=1) == truth[first]).mean())
    rows.append(row("accuracy", right, n=len(first), cohort=cohort, baseline=plain_right))
    return rows


def correlation(one: Values, other: Values) -> float:
    """Pearson's r."""
    return float(np.corrcoef(one, other)[0, 1])


def draw(test: Sequence[Example], bmd: Values, status: Values, folder: Path) -> None:
    """Draw scatter, Bland-Altman, ROC, confusion and calibration plots as PNG."""
    truth = np.array([e.abmd_g_cm2 for e in test])
    classes = np.array([e.status for e in test])
    figures.scatter(bmd, truth, folder / "scatter.png", quantity="areal density, g/cm2")
    figures.bland_altman_plot(bmd, truth, folder / "bland_altman.png", quantity="g/cm2")
    curves = {name: (classes == k, status[:, k]) for k, name in enumerate(CLASSES)}
    figures.roc(curves, folder / "roc.png")
    figures.calibration_plot(curves, folder / "calibration.png")
    matrix = counts(classes, status.argmax(axis=1), len(CLASSES))
    figures.confusion(matrix, CLASSES, folder / "confusion.png")


def draw_training(folders: Sequence[Path], file: Path) -> None:
    """Draw the loss of each run that has a log, as PNG; runs that consist of weights have none."""
    logged = [folder for folder in folders if (folder / LOG).exists()]
    if not logged:
        return
    size = (4.5 * len(logged), 3.2)
    figure, axes = plt.subplots(1, len(logged), figsize=size, layout="constrained", squeeze=False)
    for one, folder in zip(axes.flat, logged, strict=True):
        lines = (folder / LOG).read_text(encoding="utf-8").splitlines()
        entries = [json.loads(line) for line in lines]
        one.plot([e["minutes"] for e in entries], [e["loss"] for e in entries], marker=".")
        one.set(xlabel="minutes of training", ylabel="loss, training part", title=folder.name)
        one.set_yscale("log")
        one.grid(alpha=0.3)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
    plt.close(figure)


def _by_patient(values: Values, patient: NDArray[np.int_]) -> Values:
    """Mean over the levels of each patient, in order of the patients."""
    names, index = np.unique(patient, return_inverse=True)
    return np.asarray(np.bincount(index, values) / np.bincount(index, minlength=len(names)))
