"""Export a trained network of study 1: fp16 safetensors and a model card.

python -m training.study1.export bmd --run runs/study1/bmd_fixed_window --version 0.1.0
    --table docs/results/study1/networks/table.json
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from models.cards import WEIGHTS_FOLDER, Metric, ModelCard
from training.loop.model_files import write_network
from training.study1.train import Task

CURVE: Final = "docs/results/study1/networks/training.png"
NAMES: Final[Mapping[Task, str]] = MappingProxyType(
    {"bmd": "dxa_equivalent_bmd", "status": "dxa_equivalent_class"}
)
"""Name of the card and weights of each task."""
TASKS: Final = MappingProxyType(
    {
        "bmd": "DXA-equivalent areal density of one vertebra (L1 to L4), g/cm2, from "
        "64x128x128 voxels of 0.625x0.4x0.4 mm around its body, -200 to 800 HU, averaged to "
        "32x32x32 (study 1)",
        "status": "Class shares of a patient (range of normal areal density, osteopenia or "
        "osteoporosis) from one vertebra; input as for dxa_equivalent_bmd (study 1)",
    }
)
LOSSES: Final = MappingProxyType(
    {
        "bmd": "mean squared error, bias of the last layer set to the mean",
        "status": "cross-entropy",
    }
)
RECIPE: Final = "vertebrae, flips, rotation by 15 degrees, Adam"
STUDY_RECIPE: Final = "The study has 200 epochs of full resolution at 1e-4 in batches of 32"
LIMITS: Final = (
    "Virtual patients only; trained for minutes at a quarter of the resolution in the plane and half "
    "along the slices. Withheld at other tube voltages, for sharp kernels and slices over 5 mm. "
    "No contrast medium, fractures or metal in the training data; not tested on real osteophytes "
    "(docs/results/study1/hyperostosis)."
)


def export(
    task: Task, run: Path, version: str, metrics: tuple[Metric, ...], folder: Path = WEIGHTS_FOLDER
) -> ModelCard:
    """Write the weights and their card under the name in ``NAMES``."""
    return write_network(
        run,
        folder=folder,
        name=NAMES[task],
        version=version,
        task=TASKS[task],
        recipe=f"{RECIPE}, {LOSSES[task]} (python -m training.study1.train {task}; {STUDY_RECIPE}; "
        f"curve: {CURVE})",
        metrics=metrics,
        intended_use="Research use only. Experimental figure beside the measured density; "
        "no DXA and no diagnosis.",
        limits=LIMITS,
        licence="Apache-2.0",
    )


def metrics_of(task: Task, table: dict[str, Any]) -> tuple[Metric, ...]:
    """Metrics for a card: the rows of the study's table for one network."""
    return tuple(
        Metric(on=row["cohort"], what=row["metric"], value=row["reproduced"], n=row["n"])
        for row in table["rows"]
        if row["reproduced"] is not None
        and not row["metric"].startswith("P,")
        and (("AUC" in row["metric"] or row["metric"] == "accuracy") == (task == "status"))
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=sorted(TASKS))
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--table", type=Path, required=True)
    args = parser.parse_args()
    table = json.loads(args.table.read_text(encoding="utf-8"))
    card = export(args.task, args.run, args.version, metrics_of(args.task, table))
    print(f"{card.file} {card.sha256[:16]} {len(card.metrics)} metrics")


if __name__ == "__main__":
    main()
