"""Export the networks of study 4: fp16 safetensors and a model card each.

python -m training.study4.export --work runs/study4 --table docs/results/study4/table.json --version 0.1.0
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from models.cards import WEIGHTS_FOLDER, Metric, ModelCard
from training.loop.model_files import half_precision, write_network
from training.study4.train import BATCHES, RATES, Task

BIG_BYTES: Final = 25_000_000
CLASS_LIMITS: Final = (
    "Unenhanced 120 kVp, slices up to 3 mm, 50 years and older; no fracture, implant or lesion in the "
    "training data. The mean attenuation of the same region predicts the class better "
    "(docs/results/study4); the measured density is the reference. Not a T-score. Not tested on real "
    "scans."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """Texts of a network's card that do not depend on the run."""

    run: Task
    task: str
    recipe: str
    limits: str
    metrics: str


DESCRIPTIONS: Final = MappingProxyType(
    {
        "chest_dcnn": Description(
            run="dcnn",
            task="Area within the inner border of the cortex of L1 or L2, on 128 x 128 pixels of "
            "one axial slice of 2 mm (study 4)",
            recipe="Dice + binary cross-entropy",
            limits="Half of the study's widths. Trained on 128 x 128 pixels of 0.64 to 0.84 mm around "
            "the body, not on whole slices of 512 x 512. Simulated bodies are smoother than real ones.",
            metrics="Dice",
        ),
        "chest_fusion": Description(
            run="fusion",
            task="Similarity to QCT ranges (above 120, 80 to 120, below 80 mg/cm3) from the central "
            "slices of L1 and L2 as two channels (study 4, model 1)",
            recipe="cross-entropy",
            limits=CLASS_LIMITS,
            metrics="model 1",
        ),
        "chest_single": Description(
            run="single",
            task="Similarity to QCT ranges (above 120, 80 to 120, below 80 mg/cm3) from the central "
            "slice of L1 (study 4, model 2)",
            recipe="cross-entropy",
            limits=CLASS_LIMITS,
            metrics="model 2",
        ),
    }
)


def export(
    name: str,
    work: Path,
    version: str,
    rows: Sequence[dict[str, Any]],
    folder: Path = WEIGHTS_FOLDER,
) -> ModelCard:
    """Write ``NAME.safetensors`` and its card.

    Parameters
    ----------
    rows
        Rows of ``table.json``; those of this network become the card's metrics.
    """
    about = DESCRIPTIONS[name]
    run = work / about.run
    size = len(half_precision(run))
    big = f" The file has {size / 1e6:.0f} MB, since it has the study's widths." * (
        size > BIG_BYTES
    )
    return write_network(
        run,
        folder=folder,
        name=name,
        version=version,
        task=about.task,
        recipe=f"{BATCHES[about.run]} images, {about.recipe}, AdamW {RATES[about.run]:g} with cosine "
        f"decay, moving average of the weights (python -m training.study4.train {about.run})",
        metrics=tuple(
            Metric(on=one["cohort"], what=one["metric"], value=one["reproduced"], n=one["n"])
            for one in rows
            if about.metrics in one["metric"]
            and one["metric"].startswith(("AUC", "accuracy,", "quadratic", "Dice"))
            and "images, short" not in one["metric"]
            and one["reproduced"] is not None
        ),
        intended_use="Research use only. Secondary to the measured density.",
        limits=about.limits + big,
        licence="Apache-2.0",
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--table", type=Path, required=True, help="table.json of the study")
    parser.add_argument("--version", required=True)
    parser.add_argument("--only", choices=sorted(DESCRIPTIONS), nargs="+", default=DESCRIPTIONS)
    arguments = parser.parse_args()
    rows = json.loads(arguments.table.read_text(encoding="utf-8"))["rows"]
    for name in arguments.only:
        card = export(name, arguments.work, arguments.version, rows)
        print(f"{card.file} {card.sha256[:16]} {len(card.metrics)} metrics")


if __name__ == "__main__":
    main()
