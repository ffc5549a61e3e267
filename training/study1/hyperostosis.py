"""Fracture-association index of study 1 on images: the density network on spines with osteophytes.

    python -m training.study1.hyperostosis --out docs/results/study1/hyperostosis --work runs/study1

One simulated study of the published size for each scanned scenario. A logistic model of age, sex, body
mass index and DXA is fitted on 80 % of group A. Group B is scored with the same coefficients, once
with DXA and once with the network's prediction from CT. DXA is simulated from the same bone.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from training.cohort.people.studies import SCENARIOS, Scenario
from training.study1.examples import Example, read_examples
from training.study1.fracture import Tables
from training.study1.fracture_index import Vertebrae, join
from training.study1.fracture_plan import artefact_g_cm2, plan_fracture_cohort
from training.study1.predict import predict
from training.study1.study import SPLITS, detail_rows
from training.study1.train import Config
from training.tables.table import VIRTUAL, Row, Stopwatch, StudyTable, markdown, row, write_table

Values = NDArray[np.float64]
FIRST_CASE: Final = 100_000
"""Offset of the numbers of scanned patients, so that they differ from those of the test part."""
NOTES: Final = (
    "Controls of group A: the test part of the networks. Skeletons, scanner and kernels of all patients "
    "are held out from training. No level is fractured; the paper has 209 of 284 levels of fracture "
    "patients.",
    "The painted osteophytes add about the artefact of the scenario to simulated DXA; network and DXA "
    "use the same bone. The last training of the network included osteophytes from the same program, "
    "with labels without them (`training.study1.osteophytes`).",
    "Baseline: trabecular density alone, without age, sex and body mass index. Intervals: "
    "Obuchowski's, clustered by patient.",
)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="folder for table.json, table.md and pictures")
    parser.add_argument("--work", type=Path, default=Path("runs/study1"))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    watch = Stopwatch(module="training.study1.hyperostosis", seed=args.seed, device=args.device)
    network = Config(
        task="bmd", examples=args.work / "examples", out=args.work / "bmd_fixed_window",
        device=args.device,
    )  # fmt: skip
    controls = [one for one in read_examples(args.work / "examples") if one.is_test]
    rows: list[Row] = []
    for scenario in SCENARIOS.values():
        folder = args.work / scenario.name
        if folder.is_dir():
            scanned = read_examples(folder)
            rows += scenario_rows(scenario, controls, scanned, network, args.seed, args.out)
    table = StudyTable(study="Study 1, hyperostosis", run=watch.stop(), rows=rows, notes=NOTES)
    print(markdown(table))
    if args.out:
        write_table(table, args.out)


def scenario_rows(
    scenario: Scenario,
    controls: Sequence[Example],
    scanned: Sequence[Example],
    network: Config,
    seed: int,
    out: Path | None,
) -> list[Row]:
    """AUCs of one study, their test, and the effect of osteophytes on DXA and on the network."""
    cohort = plan_fracture_cohort(scenario, seed)
    group = cohort.people.group[[one.patient for one in scanned]]
    cases = [one for one, name in zip(scanned, group, strict=True) if name == "fracture"]
    group_b = [one for one, name in zip(scanned, group, strict=True) if name != "fracture"]
    group = group[group != "fracture"]
    is_case = cohort.people.is_case[[one.patient for one in group_b]]
    predicted = predict(group_b, network)
    tables = Tables(
        group_a=join([
            table_of(controls, np.zeros(len(controls), bool)),
            table_of(cases, np.ones(len(cases), bool), first=FIRST_CASE),
        ]),
        group_b=table_of(group_b, is_case),
        group_b_predicted=table_of(group_b, is_case, predicted),
        group_b_vbmd=np.array([one.vbmd_mg_cm3 for one in group_b]),
    )  # fmt: skip
    label = f"{VIRTUAL}, {scenario.name}, one study on images"
    picture = out and out / f"roc_{scenario.name.replace('-', '_')}.png"
    rows = detail_rows(tables, seed, SPLITS, label, picture, reader="network")
    dxa = np.array([one.abmd_g_cm2 for one in group_b])
    rows += error_rows(predicted, dxa, group, label)
    for name in ("hyperostotic control", "hyperostotic fracture"):
        added = artefact_g_cm2(cohort.people)[cohort.people.group == name]
        what = f"added to areal density by the scenario, {name}, g/cm2"
        rows.append(row(what, float(added.mean()), n=len(added), cohort=label))
    return rows


def table_of(
    examples: Sequence[Example],
    is_case: NDArray[np.bool_],
    areal: Values | None = None,
    first: int = 0,
) -> Vertebrae:
    """Inputs of the logistic model; areal density is that of DXA unless another is given."""
    density = [one.abmd_g_cm2 for one in examples] if areal is None else areal
    inputs = [
        (one.age_years, float(one.sex == "F"), one.bmi_kg_m2, value)
        for one, value in zip(examples, density, strict=True)
    ]
    return Vertebrae(
        patient=np.array([first + one.patient for one in examples]),
        is_case=is_case,
        inputs=np.array(inputs, np.float64),
    )


def error_rows(predicted: Values, dxa: Values, group: NDArray[np.str_], cohort: str) -> list[Row]:
    """Difference of the network from DXA by group."""
    return [
        row(
            f"network minus DXA, {name}, g/cm2",
            float((predicted - dxa)[group == name].mean()),
            n=int((group == name).sum()),
            cohort=cohort,
        )
        for name in ("hyperostotic control", "hyperostotic fracture")
    ]


if __name__ == "__main__":
    main()
