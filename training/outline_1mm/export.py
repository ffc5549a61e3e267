"""Export a 1 mm network of a run: averaged weights as fp16 safetensors, and a model card.

python -m training.outline_1mm.export femur --run runs/femur --version 0.1.0 [--metrics FILE]
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from models.cards import WEIGHTS_FOLDER, Metric, ModelCard
from training.loop.model_files import write_network

LICENCE: Final = "Apache-2.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """Texts of a network's card that do not depend on the run."""

    network: str
    task: str
    recipe: str
    intended_use: str
    limits: str


DESCRIPTIONS: Final = MappingProxyType(
    {
        "femur": Description(
            network="femur_1mm",
            task="Femur at 1 mm within 128x96x128 mm around its head (a right one mirrored): second "
            "stage of the cascade of study 3",
            recipe="one 96x96x96 patch per step, Dice + focal loss, AdamW with cosine decay",
            intended_use="Research use only. Outlines the proximal femur for measurement.",
            limits="A VB-Net of the study's widths on folded voxels (2x2x2), trained far shorter than "
            "the study's 1001 epochs. No prosthesis, fracture or osteophyte in the training data. "
            "Tested on real scans of few patients.",
        ),
        "vertebra": Description(
            network="vertebra_1mm",
            task="One vertebra at 1 mm in its own axes (48x64x64 mm around the body): shell and "
            "trabecular core of the body, posterior elements, neighbours",
            recipe="one 48x64x64 crop per step, Dice + cross-entropy, AdamW with cosine decay",
            intended_use="Research use only. Outlines vertebral bodies for measurement.",
            limits="Few shapes and a short training. Metal, cement and severe fractures are rare "
            "or absent in training. Tested on real scans of few patients.",
        ),
    }
)


def export(
    name: str, run: Path, version: str, metrics: tuple[Metric, ...], folder: Path = WEIGHTS_FOLDER
) -> ModelCard:
    """Write ``NAME_1mm.safetensors`` and its card."""
    about = DESCRIPTIONS[name]
    return write_network(
        run,
        folder=folder,
        name=about.network,
        version=version,
        task=about.task,
        recipe=f"{about.recipe}, moving average of the weights "
        f"(python -m training.outline_1mm.train {name})",
        metrics=metrics,
        intended_use=about.intended_use,
        limits=about.limits,
        licence=LICENCE,
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(DESCRIPTIONS))
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--metrics", type=Path, help="rows of training.evaluate.outlines")
    arguments = parser.parse_args()
    rows = json.loads(arguments.metrics.read_text()) if arguments.metrics else []
    metrics = tuple(
        Metric(on=r["on"], what=r["what"], value=r["value"], n=r["n"])
        for r in rows
        if arguments.name in r["what"]
    )
    card = export(arguments.name, arguments.run, arguments.version, metrics)
    print(f"{card.file} {card.sha256[:16]} {len(card.metrics)} metrics")


if __name__ == "__main__":
    main()
