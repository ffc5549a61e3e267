"""Run study 4 on the virtual cohort and print its results beside the published ones.

    python -m training.study4 --out docs/results/study4 --work runs/study4 --minutes 15
    python -m training.study4 --out docs/results/study4 --work runs/study4 --as-is

The program makes the cohort, trains the DCNN, the U-Net and both classifiers (resumable), computes masks
and probabilities of the test part, and writes a table. ``--as-is`` uses the runs in the work folder.
"""

import argparse
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.cohort.people.strata import COUNTS, EDGES_YEARS, MEANS_MG_CM3, SDS_MG_CM3
from training.loop.checkpoint import STATE
from training.statistics.bootstrap import bootstrap
from training.statistics.confusion import class_counts, counts, overall_accuracy, weighted_kappa
from training.statistics.delong import auc, delong_test
from training.statistics.multiclass import one_vs_rest
from training.study4.examples import ChestSubject, make_subjects, read_subjects
from training.study4.plan import CLASSES, SIZES, ChestCohort, Part, plan_cohort
from training.study4.predict import (
    Region,
    classify_all,
    load_network,
    mean_dice,
    mean_hu,
    outline_all,
    true_mean_hu,
)
from training.study4.train import Config, Task, train
from training.tables import figures
from training.tables.baseline import QCT_CUTS_MG_CM3, fit_baseline
from training.tables.published import STUDY_4, STUDY_4_CONFUSION
from training.tables.table import VIRTUAL, Row, Stopwatch, StudyTable, markdown, row, write_table

Values = NDArray[np.float64]
TASKS: Final[tuple[Task, ...]] = ("dcnn", "fusion", "single", "unet")
FEWER_IMAGES: Final = (100, 300)
"""Numbers of training images of the short runs, compared with the study's Fig. 5."""
MODELS: Final[tuple[tuple[int, Task], ...]] = ((1, "fusion"), (2, "single"))
MEASURES: Final = (
    ("sensitivity", "sensitivity"),
    ("specificity", "specificity"),
    ("ppv", "positive_predictive_value"),
    ("npv", "negative_predictive_value"),
    ("accuracy", "accuracy"),
)
TEST: Final = f"{VIRTUAL}, test"

NOTES: Final = (
    "Reference: trabecular density of the simulated subject, mean of L1 and L2; classes at 120 and "
    "80 mg/cm3.",
    "Test subjects have another family of skeletons, and a scanner and kernels that are not in the "
    "training part; drawn by the same program. Segmentation and classification share one split, so no "
    "test subject of one is in the training data of the other (the study has two splits: 1096/200/800 "
    "images and 530/100/418 subjects).",
    "Input of the networks: 128 x 128 pixels around the body (segmentation) and 96 x 96 around its "
    "region (classification) at the scan's pixel size, not 512 x 512.",
    "Classifiers were trained on true regions whose outline was shifted by up to two pixels, and "
    "tested on those of the DCNN. Adam with a falling rate; the study trains its segmentation with "
    "SGD for 500 epochs and does not describe the training of its classifier.",
    "Baseline: mean HU of the DCNN's region (L1 and L2, or L1 alone), a line to density fitted on "
    "true regions of the training part, its residual as normal error. The DeLong rows compare network "
    "and baseline.",
    "The DCNN has half of the study's widths (4.4 million parameters), the U-Net half of its "
    "original's. Runs with fewer images are short and of equal minutes, so their Dice depends on "
    "training time as well as on images.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Predictions of one model on the test part.

    Parameters
    ----------
    shares, plain : (subjects, 3)
        Probabilities by the network, and by the baseline on mean HU.
    """

    model: int
    shares: Values
    plain: Values


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="folder for table.json, table.md and pictures")
    parser.add_argument("--work", type=Path, default=Path("runs/study4"))
    parser.add_argument("--subjects", type=int, nargs=3, default=SIZES, metavar="N")
    parser.add_argument("--minutes", type=float, default=15.0, help="training time per network")
    parser.add_argument("--as-is", action="store_true", help="train nothing")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    watch = Stopwatch(module="training.study4", seed=args.seed, device=args.device)
    cohort = plan_cohort(tuple(args.subjects), args.seed)
    examples = args.work / "examples"
    if not args.as_is:
        make_subjects(cohort, examples, jobs=args.jobs)
        train_all(examples, args.work, args.minutes, args.device)
    rows = population_rows(cohort)
    rows += network_rows(examples, args.work, args.device, args.out)
    table = StudyTable(
        study="Study 4", run=watch.stop(), rows=rows, notes=(*NOTES, *run_notes(args.work))
    )
    print(markdown(table))
    if args.out:
        write_table(table, args.out)


def train_all(examples: Path, work: Path, minutes: float, device: str) -> None:
    """Train all networks in turn; interrupted trainings are resumed."""
    for task in TASKS:
        run = Config(
            task=task, examples=examples, out=work / task, minutes=minutes, device=device,
            resume=True,
        )  # fmt: skip
        train(run)
    for images in FEWER_IMAGES:
        run = Config(
            task="dcnn", examples=examples, out=work / f"dcnn{images}", minutes=minutes / 6,
            images=images, device=device, resume=True,
        )  # fmt: skip
        train(run)


def run_notes(work: Path) -> tuple[str, ...]:
    """Text with steps and minutes of each training run."""
    runs = []
    for folder in (*TASKS, *(f"dcnn{images}" for images in FEWER_IMAGES)):
        if (file := work / folder / STATE).exists():
            state = json.loads(file.read_text(encoding="utf-8"))
            runs.append(f"{folder} {state['step']} steps in {state['seconds'] / 60:.0f} min")
    return ("Training: " + ", ".join(runs) + ".",)


def population_rows(cohort: ChestCohort) -> list[Row]:
    """Density by sex and age, as in the study's Table 1."""
    people, vbmd = cohort.people, cohort.people.qct_vbmd_mg_cm3
    rows = [row("BMD of all, mg/cm3 (published: from Table 1)", float(vbmd.mean()), n=len(vbmd))]
    rows.append(row("BMD of all, SD", float(vbmd.std(ddof=1)), n=len(vbmd)))
    for sex in ("M", "F"):
        for stratum, (low, high) in enumerate(itertools.pairwise(EDGES_YEARS)):
            inside = (people.sex == sex) & (people.age_years >= low) & (people.age_years < high)
            if inside.sum() < 2:
                continue
            name = f"BMD {sex} {low} to {high - 1} years (published n {COUNTS[sex][stratum]})"
            for word, found, printed in (
                ("mean", vbmd[inside].mean(), MEANS_MG_CM3[sex][stratum]),
                ("SD", vbmd[inside].std(ddof=1), SDS_MG_CM3[sex][stratum]),
            ):
                rows.append(_printed(f"{name}, {word}", printed, float(found), int(inside.sum())))
    return rows


def _printed(name: str, published: float, found: float, n: int) -> Row:
    return Row(
        metric=name, published=published, reproduced=round(found, 2), ci_low=None, ci_high=None,
        baseline=None, n=n, cohort=VIRTUAL,
    )  # fmt: skip


def network_rows(examples: Path, work: Path, device: str, out: Path | None) -> list[Row]:
    """Results of outlines, classes and their comparison on the test part."""
    test = read_subjects(examples, [Part.TEST])
    fitted = read_subjects(examples, [Part.TRAINING])
    dcnn = load_network(work / "dcnn", device)
    regions = outline_all(test, dcnn, device)
    rows = segmentation_rows(test, regions, work, device)
    truth = np.array([one.status for one in test])
    outcomes = []
    for model, task in MODELS:
        levels = 2 if task == "fusion" else 1
        line = fit_baseline(true_mean_hu(fitted, levels), [one.vbmd_mg_cm3 for one in fitted])
        plain = line.probabilities(mean_hu(regions, levels), QCT_CUTS_MG_CM3)
        shares = classify_all(regions, load_network(work / task, device), task, device)
        outcomes.append(Outcome(model=model, shares=shares, plain=plain))
        rows += class_rows(truth, outcomes[-1])
    rows += comparison_rows(truth, outcomes)
    if out:
        draw(regions, truth, outcomes, out)
    return rows


def segmentation_rows(
    test: Sequence[ChestSubject], regions: Sequence[Region], work: Path, device: str
) -> list[Row]:
    """Dice of the DCNN, of runs with fewer images, and of the U-Net as the baseline."""
    unet = None
    if (work / "unet" / STATE).exists():
        unet = mean_dice(outline_all(test, load_network(work / "unet", device), device))
    subject = np.array([one.subject.number for one in regions])
    dice = np.array([one.dice for one in regions])
    found = bootstrap(lambda at: float(dice[at].mean()), len(dice), clusters=subject)
    cohort = f"{TEST}, slices"
    rows = [
        row(STUDY_4["dice"], found, n=len(dice), cohort=f"{cohort}, all images", baseline=unet),
        row("Dice of the DCNN, SD", float(dice.std(ddof=1)), n=len(dice), cohort=cohort),
        row("Dice of the DCNN, 1st percentile", float(np.quantile(dice, 0.01)), n=len(dice), cohort=cohort),
    ]  # fmt: skip
    for images in FEWER_IMAGES:
        run = work / f"dcnn{images}"
        if (run / STATE).exists():
            name = f"Dice of the DCNN, {images} training images, short run"
            few = mean_dice(outline_all(test, load_network(run, device), device))
            rows.append(row(name, few, n=len(dice), cohort=cohort))
    return rows


def class_rows(truth: NDArray[np.int_], found: Outcome) -> list[Row]:
    """Table 3 of one model, with the mean HU as the baseline."""
    rows = []
    areas = one_vs_rest(truth, found.shares)
    matrices = [counts(truth, one.argmax(axis=1), 3) for one in (found.shares, found.plain)]
    mine, plain = (class_counts(one) for one in matrices)
    cohort = f"{TEST}, subjects"
    for number, name in enumerate(CLASSES):
        key = f"{name}_model{found.model}_test"
        beside = auc(truth == number, found.plain[:, number])
        published = STUDY_4[f"auc_{key}"]
        rows.append(row(published, areas[number], n=len(truth), cohort=cohort, baseline=beside))
        for word, method in MEASURES:
            rows.append(
                row(
                    STUDY_4[f"{word}_{key}"],
                    getattr(mine[number], method)(),
                    n=len(truth),
                    cohort=cohort,
                    baseline=getattr(plain[number], method)().value,
                )
            )
    reference = STUDY_4_CONFUSION[found.model]
    for name, measure in (("accuracy", overall_accuracy), ("quadratic kappa", weighted_kappa)):
        mine_, plain_ = (measure(one) for one in matrices)
        one = row(
            f"{name}, model {found.model}",
            mine_,
            n=len(truth),
            cohort=cohort,
            baseline=plain_.value,
        )
        rows.append(_with_published(one, measure(reference).value))
    for number, name in enumerate(CLASSES):
        for other, word in enumerate(CLASSES):
            count = row(
                f"count: {name}, called {word}, model {found.model}",
                float(matrices[0][number, other]),
                n=int((truth == number).sum()),
                cohort=cohort,
                baseline=float(matrices[1][number, other]),
            )
            rows.append(_with_published(count, float(reference[number][other])))
    return rows


def _with_published(one: Row, value: float) -> Row:
    """Row with a published value that was derived, not printed."""
    return Row(
        metric=f"{one.metric} (published: recovered)", published=round(value, 4),
        reproduced=one.reproduced, ci_low=one.ci_low, ci_high=one.ci_high, baseline=one.baseline,
        n=one.n, cohort=one.cohort,
    )  # fmt: skip


def comparison_rows(truth: NDArray[np.int_], outcomes: Sequence[Outcome]) -> list[Row]:
    """DeLong's test: model 1 against 2, and each model against the mean HU."""
    first, second = outcomes
    rows = []
    for number, name in enumerate(CLASSES):
        is_class = truth == number
        test = delong_test(is_class, first.shares[:, number], second.shares[:, number])
        for letter, value in (("z", test.statistic), ("p", test.p)):
            published = STUDY_4[f"delong_{letter}_{name}"]
            rows.append(row(published, value, n=len(truth), cohort=f"{TEST}, subjects"))
        for one in outcomes:
            beside = delong_test(is_class, one.shares[:, number], one.plain[:, number])
            text = f"DeLong z, {name}, model {one.model} against its mean HU"
            rows.append(row(text, beside.statistic, n=len(truth), cohort=f"{TEST}, subjects"))
    return rows


def draw(
    regions: Sequence[Region], truth: NDArray[np.int_], outcomes: Sequence[Outcome], folder: Path
) -> None:
    """Draw ROC curves, confusion matrices, calibration and outlines as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in outcomes:
        curves = {name: (truth == k, one.shares[:, k]) for k, name in enumerate(CLASSES)}
        figures.roc(curves, folder / f"roc_model{one.model}.png", cohort=TEST)
        matrix = counts(truth, one.shares.argmax(axis=1), 3)
        figures.confusion(matrix, CLASSES, folder / f"confusion_model{one.model}.png", cohort=TEST)
    plain = {name: (truth == k, outcomes[0].plain[:, k]) for k, name in enumerate(CLASSES)}
    figures.roc(plain, folder / "roc_mean_hu.png", cohort=TEST)
    draw_outlines(regions, folder / "outlines.png")


def draw_outlines(regions: Sequence[Region], file: Path) -> None:
    """Draw the worst, middle and best outlines: network in orange, truth in blue."""
    order = np.argsort([one.dice for one in regions])
    chosen = [*order[:3], *order[len(order) // 2 : len(order) // 2 + 3], *order[-2:]]
    figure = Figure(figsize=(10, 5.2), layout="constrained")
    for axes, number in zip(figure.subplots(2, 4).flat, chosen, strict=True):
        one = regions[int(number)]
        axes.imshow(one.hu, cmap="gray", vmin=-150, vmax=450)
        axes.contour(one.truth, [0.5], colors="#4f9edb", linewidths=0.8)
        if one.mask.any():
            axes.contour(one.mask, [0.5], colors="#f08030", linewidths=0.8)
        axes.set_title(f"{one.level.name}, Dice {one.dice:.3f}", fontsize=9)
        axes.set_axis_off()
    figure.supxlabel(f"{TEST}: worst three, middle three, best two", fontsize=8)
    figure.savefig(file, dpi=figures.DPI, metadata={"Software": None})


if __name__ == "__main__":
    main()
