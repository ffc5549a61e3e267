r"""Export the 3 mm hip network of a run: fp16 safetensors and a model card.

    python -m training.outline_3mm.export_hips --run runs/hips --version 0.1.0
    python -m training.outline_3mm.export_hips --run runs/more --version 0.2.0 \
        --mean-with models/weights/hips_3mm.safetensors --data ../shared/data

With ``--mean-with`` the exported weights are the mean of the first and the last weights of a run
(Wortsman et al. 2022). On unseen patients the mean can be better than either.
"""

import argparse
import json
from pathlib import Path
from typing import Final

from safetensors.torch import load_file, save_file

from models.cards import WEIGHTS_FOLDER, Metric, ModelCard
from pipelines.locate.coarse_hips import HIPS_MODEL
from training.loop.about import read_about, write_about
from training.loop.checkpoint import LOG, STATE, WEIGHTS, log_line
from training.loop.model_files import state_of, write_network
from training.outline_3mm.train_hips import Config, held_out_dice, held_out_patches

MEAN: Final = "mean"
ON: Final = "simulated patches never trained on"


def mean_of(run: Path, start: Path, data: Path) -> Path:
    """Write the mean of a run's first and last weights as a new run, with its held-out Dice.

    Returns
    -------
    Path
        Folder of the new run.
    """
    first, last = load_file(start), load_file(run / WEIGHTS)
    mean = {
        name: (first[name].float() + value) / 2 if value.is_floating_point() else value
        for name, value in last.items()
    }
    folder = run / MEAN
    folder.mkdir(exist_ok=True)
    save_file(mean, folder / WEIGHTS)
    state = state_of(run)
    state["notes"][MEAN] = True
    (folder / STATE).write_text(json.dumps(state) + "\n", encoding="utf-8")
    write_about(read_about(run, state).parts, folder)
    unseen = held_out_patches(Config(out=folder, data=data))
    (folder / LOG).unlink(missing_ok=True)
    log_line(folder, held_out=held_out_dice(mean, unseen))
    return folder


def export(run: Path, version: str, folder: Path = WEIGHTS_FOLDER) -> ModelCard:
    """Write the network of a run and its card; metrics are the last held-out ones of the log."""
    state = state_of(run)
    share = (
        "(weights shipped: the mean of those before and after) " if state["notes"].get(MEAN) else ""
    )
    lines = [json.loads(line) for line in (run / LOG).read_text(encoding="utf-8").splitlines()]
    measured = [line["held_out"] for line in lines if "held_out" in line][-1]
    return write_network(
        run,
        folder=folder,
        name=HIPS_MODEL,
        version=version,
        task="Femora, hip bones and sacrum at 3 mm; a part of the femora counts only if the spine "
        "network finds a femur there too; the sacrum is the mean of both networks",
        recipe=f"{share}one patch around the pelvis, focal and Dice loss, AdamW with cosine decay, moving "
        "average of the weights (python -m training.outline_3mm.train_hips)",
        metrics=tuple(
            Metric(on=ON, what=f"Dice {part}", value=value, n=Config(out=run).held_out)
            for part, value in measured.items()
        ),
        intended_use="Research use only. Locates the femora for the 1 mm network.",
        limits="Alone the network labels vertebrae and ilia as femora, because it was trained on hips "
        "only (docs/results). Trained for hours on one core; the loss was still falling.",
        licence="Apache-2.0; ICRP 110 data were read for research and are not contained.",
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--mean-with", type=Path, help="weights that the run started from")
    parser.add_argument("--data", type=Path, help="for the held-out patches of a mean")
    arguments = parser.parse_args()
    run = arguments.run
    if arguments.mean_with is not None:
        run = mean_of(run, arguments.mean_with, arguments.data)
    card = export(run, arguments.version)
    print(f"{card.file} {card.sha256[:16]} {len(card.metrics)} metrics")


if __name__ == "__main__":
    main()
