"""Export the 3 mm spine network of a run: averaged weights as fp16 safetensors, and a model card.

python -m training.outline_3mm.export --run runs/spine --version 0.1.0

``training.evaluate.cards`` adds the test results to the card.
"""

import argparse
from pathlib import Path

from models.cards import WEIGHTS_FOLDER, ModelCard
from training.loop.model_files import write_network


def export(run: Path, version: str, folder: Path = WEIGHTS_FOLDER) -> ModelCard:
    """Write ``spine_3mm.safetensors`` and its card."""
    return write_network(
        run,
        folder=folder,
        name="spine_3mm",
        version=version,
        task="Vertebral bodies (lumbar, thoracic), posterior elements, discs, sacrum, hip bones, "
        "femora, ribs and body centres at 3 mm",
        recipe="one patch of 32 to 96 voxels a side, Dice + cross-entropy, AdamW with cosine decay, "
        "moving average of the weights (python -m training.outline_3mm.train)",
        metrics=(),
        intended_use="Research use only. Finds the region of interest for trabecular attenuation.",
        limits="Necks, transitional vertebrae and scoliosis over about 30 degrees took no part in "
        "training. The network often confuses T12 and L1; names come from ribs and sacrum "
        "(pipelines.locate.naming). Left and right femora share one class; their position gives the "
        "side. Tested on real scans of few patients.",
        licence="Apache-2.0; ICRP 110 data were read for research and are not contained.",
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--version", required=True)
    arguments = parser.parse_args()
    card = export(arguments.run, arguments.version)
    print(f"{card.file} {card.sha256[:16]}")


if __name__ == "__main__":
    main()
