"""Ship the hip network: fp16 safetensors and a card.

    python -m training.segmentation.export_hips --run runs/hips --version 0.1.0

Takes  weights.safetensors of training.segmentation.train_hips
Gives  models/weights/hips.safetensors, its card
Next   models.registry
"""

import argparse
import json
from pathlib import Path
from typing import Final

from models.cards import Metric, ModelCard
from pipelines.hips import HIPS_MODEL
from training.checkpoint import LOG
from training.model_files import state_of, trained_before, write_network
from training.segmentation.train_hips import Config

ON: Final = "simulated patches never trained on"


def export(run: Path, version: str) -> ModelCard:
    """Write the network of a run; its metrics are the last ones of the log."""
    state = state_of(run)
    lines = [json.loads(line) for line in (run / LOG).read_text(encoding="utf-8").splitlines()]
    measured = [line["held_out"] for line in lines if "held_out" in line][-1]
    return write_network(
        run,
        name=HIPS_MODEL,
        version=version,
        network="hip_network",
        task="Femora, hip bones and sacrum at 3 mm; of the femora only parts count in which the spine "
        "network sees a femur as well, of the sacrum the mean with that network",
        training_data="Simulation only: 48 virtual patients of training/cohort and 24 with findings, the "
        "ICRP 110 reference phantoms, 36 compositions of real vertebra, hip and sacrum masks (VerSe, CC "
        "BY-SA 4.0; Hip-Joints AutoSeg, MIT) in these, and single hips of the same masks and patients "
        "painted as for the 1 mm network. No real CT.",
        training=f"{state['step']} steps of one patch, AdamW with cosine decay, focal and Dice loss, "
        f"bf16 autocast, {state['seconds'] / 60:.0f} minutes on one CPU core (no accelerator), moving "
        "average of the weights; python -m training.segmentation.train_hips"
        f"{trained_before(HIPS_MODEL, state)}",
        metrics=tuple(
            Metric(on=ON, what=f"Dice {part}", value=value, n=Config(out=run).held_out)
            for part, value in measured.items()
        ),
        intended_use="Research use only. Tells the 1 mm network where femora are.",
        limits="Alone it takes vertebrae and ilia for femora, since it learned hips only (docs/results). "
        "Trained for hours of one core; its loss was still falling.",
        licence="Apache-2.0; ICRP 110 data were read for research and are not contained.",
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--version", required=True)
    arguments = parser.parse_args()
    card = export(arguments.run, arguments.version)
    print(f"{card.file} {card.sha256[:16]} {len(card.metrics)} metrics")


if __name__ == "__main__":
    main()
