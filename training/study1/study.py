"""Run study 1 on the virtual cohort and print its results beside the published ones.

    python -m training.study1 --out docs/results/study1 --work runs/study1 --jobs 2
    python -m training.study1 --fracture-only --out docs/results/study1/fracture

The first part makes the cohort, trains both networks (resumable), predicts and writes a table;
``--fracture-only`` skips it. `training.study1.normalization` compares min-max scaling with the fixed
window.

The second part computes the fracture-association index on simulated tables, under three scenarios that
were fixed before any run: non-differential, paper-like, null. All three are printed.
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from training.cohort.people.studies import SCENARIOS, Scenario
from training.statistics.clustered import clustered_interval
from training.statistics.estimate import central
from training.study1 import networks
from training.study1.fracture import (
    AS_THE_NETWORK,
    COUNTS,
    FractureStudy,
    Tables,
    compare,
    draw_tables,
    simulate,
    split_areas,
)
from training.study1.networks import NetworkRuns, network_rows, training_notes
from training.study1.plan import PATIENTS
from training.study1.train import FULL, read_stride
from training.tables import figures
from training.tables.published import STUDY_1
from training.tables.table import VIRTUAL, Row, Stopwatch, StudyTable, markdown, row, write_table

STUDIES = 200
SPLITS = 200
SEED = 1
GROUP_A_PATIENTS = COUNTS["main"] + COUNTS["fracture"]
GROUP_B_PATIENTS = COUNTS["hyperostotic control"] + COUNTS["hyperostotic fracture"]
AREAS = (
    ("fracture_auc_a_dxa", "a_dxa", None, GROUP_A_PATIENTS),
    ("fracture_auc_b_dxa", "b_dxa", None, GROUP_B_PATIENTS),
    ("fracture_auc_b_predicted", "b_predicted", "b_vbmd", GROUP_B_PATIENTS),
)
"""Published figure, field of `FractureStudy`, field of its baseline, number of patients."""
NOTES = (
    "Interval of a figure over studies: 2.5th to 97.5th percentile of simulated studies of the "
    "published size. Interval of one study: Obuchowski's, clustered by patient.",
    "The scenarios were fixed before any run. They differ in two effects: the deficit of trabecular "
    "density of fracture patients for their age and sex, and the areal density that hyperostosis adds to "
    "DXA in cases and in controls. Non-differential: -25 mg/cm3, .20 in both; paper-like: -50 mg/cm3, .32 "
    "and .08; null: none. The paper-like scenario was tuned to the published figures, so agreement with "
    "them is no evidence.",
    "Baseline: trabecular density alone, without age, sex and body mass index.",
    "Predicted density: estimate from trabecular bone with the error of the shipped network on its "
    f"virtual test patients: {AS_THE_NETWORK.level_g_cm2} g/cm2 per level and "
    f"{AS_THE_NETWORK.patient_g_cm2} per patient. These are tables, not images; the effect of "
    "hyperostosis on the network itself is in docs/results/study1/hyperostosis.",
)


def main() -> None:
    """Run the selected parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--fracture-only",
        action="store_true",
        help="only the fracture-association index, without networks",
    )
    parser.add_argument("--out", type=Path, help="folder for table.json, table.md and pictures")
    parser.add_argument(
        "--studies", type=int, default=STUDIES, help="simulated studies per scenario"
    )
    parser.add_argument("--splits", type=int, default=SPLITS, help="splits of group A of one study")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--work", type=Path, default=Path("runs/study1"), help="examples, weights")
    parser.add_argument("--patients", type=int, default=PATIENTS)
    parser.add_argument("--jobs", type=int, default=1, help="processes that scan patients")
    parser.add_argument("--minutes", type=float, default=math.inf, help="training time per network")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument(
        "--stride", type=read_stride, default=FULL, help="voxels averaged to one: 2, or 2,4,4"
    )
    parser.add_argument("--falling", action="store_true", help="cosine learning rate")
    parser.add_argument(
        "--trained",
        action="store_true",
        help="use the examples and networks in --work, train nothing",
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    if args.fracture_only:
        fracture_part(args)
    else:
        networks_part(args)


def networks_part(args: argparse.Namespace) -> None:
    """Results of the networks for areal density and class."""
    watch = Stopwatch(module="training.study1", seed=args.seed, device=args.device)
    runs = NetworkRuns(
        work=args.work,
        patients=args.patients,
        jobs=args.jobs,
        minutes=args.minutes,
        epochs=args.epochs,
        stride=args.stride,
        device=args.device,
        seed=args.seed,
        falling=args.falling,
        trained=args.trained,
    )
    rows = network_rows(runs, args.out)
    notes = (*networks.NOTES, *training_notes(runs))
    table = StudyTable(study="Study 1, networks", run=watch.stop(), rows=rows, notes=notes)
    print(markdown(table))
    if args.out:
        write_table(table, args.out)


def fracture_part(args: argparse.Namespace) -> None:
    """Results of the fracture-association index under all scenarios."""
    watch = Stopwatch(module="training.study1", seed=args.seed)
    rows: list[Row] = []
    for scenario in SCENARIOS.values():
        seeds = range(args.seed * 1000, args.seed * 1000 + args.studies)
        runs = [
            simulate(scenario, seed)
            for seed in track(seeds, scenario.name, console=Console(stderr=True), transient=True)
        ]
        rows += over_studies(scenario, runs)
        rows += one_study(scenario, seeds[0], args.splits, args.out)
    table = StudyTable(
        study="Study 1, fracture association", run=watch.stop(), rows=rows, notes=NOTES
    )
    print(markdown(table))
    if args.out:
        write_table(table, args.out)


def over_studies(scenario: Scenario, runs: Sequence[FractureStudy]) -> list[Row]:
    """Mean and interval of each figure over many simulated studies."""
    cohort = f"{VIRTUAL}, {scenario.name}, {len(runs)} studies"
    rows = []
    for key, name, baseline, patients in AREAS:
        beside = None if baseline is None else float(np.mean([getattr(r, baseline) for r in runs]))
        values = [getattr(one, name) for one in runs]
        rows.append(row(STUDY_1[key], central(values), n=patients, cohort=cohort, baseline=beside))
    for test, words in (
        ("by_vertebra", "DeLong, vertebrae"),
        ("by_patient", "Obuchowski, patients"),
    ):
        tests = [getattr(one, test) for one in runs]
        found = float(np.mean([one.p < 0.05 and one.difference > 0 for one in tests]))
        name = f"share of studies with predicted above DXA in group B, P < 0.05 ({words})"
        rows.append(row(name, found, n=len(runs), cohort=cohort))
    return rows


def one_study(scenario: Scenario, seed: int, splits: int, out: Path | None) -> list[Row]:
    """One study in detail: intervals clustered by patient, both tests, repeated splits."""
    picture = out and out / f"roc_{scenario.name.replace('-', '_')}.png"
    cohort = f"{VIRTUAL}, {scenario.name}, one study"
    return detail_rows(draw_tables(scenario, seed), seed, splits, cohort, picture)


def detail_rows(
    tables: Tables,
    seed: int,
    splits: int,
    cohort: str,
    picture: Path | None,
    reader: str = "predicted",
) -> list[Row]:
    """AUCs and tests of one study, simulated as tables or measured on images.

    Parameters
    ----------
    reader
        Name of the source of ``group_b_predicted`` in the picture.
    """
    areas, fitted = split_areas(tables, repeats=splits, seed=seed)
    found = compare(tables, fitted, float(areas[0]))
    group_b, truth = tables.group_b, tables.group_b.is_case
    scores = {
        "fracture_auc_b_dxa": fitted.log_odds(group_b),
        "fracture_auc_b_predicted": fitted.log_odds(tables.group_b_predicted),
    }
    rows = [
        row(
            f"fracture association AUC, group A test, DXA, {splits} splits",
            central(areas),
            n=len(tables.group_a),
            cohort=cohort,
        )
    ]
    rows += [
        row(
            STUDY_1[key],
            clustered_interval(truth, score, group_b.patient),
            n=len(group_b),
            cohort=cohort,
            baseline=None if key == "fracture_auc_b_dxa" else found.b_vbmd,
        )
        for key, score in scores.items()
    ]
    rows.append(
        row(STUDY_1["fracture_delong_p"], found.by_vertebra.p, n=len(group_b), cohort=cohort)
    )
    name = "Obuchowski P, group B, predicted against DXA"
    rows.append(row(name, found.by_patient.p, n=len(set(group_b.patient)), cohort=cohort))
    if picture:
        curves = {
            "group B, DXA": (truth, scores["fracture_auc_b_dxa"]),
            f"group B, {reader}": (truth, scores["fracture_auc_b_predicted"]),
            "group B, trabecular density alone": (truth, -tables.group_b_vbmd),
        }
        figures.roc(curves, picture, cohort=cohort)
    return rows


if __name__ == "__main__":
    main()
