"""Train a 1 mm network on simulation alone.

    python -m training.outline_1mm.train femur --data ../shared/data --out runs/femur --minutes 60
    python -m training.outline_1mm.train femur --out runs/femur --minutes 30 --resume
    python -m training.outline_1mm.train femur --out runs/more --start-from models/weights/femur_1mm.safetensors

No real CT takes part: shapes come from masks, meshes and the virtual cohort, tissue is painted. The
same code runs on CPU and CUDA. Writes ``checkpoint.safetensors`` and ``state.json`` (resumable),
``weights.safetensors`` (moving average), ``log.jsonl`` and ``curve.png``.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import torch
from monai.losses import DiceCELoss, DiceFocalLoss
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from models.networks.outline_1mm import femur_1mm_network, vertebra_1mm_network
from training.loop.checkpoint import TrainingState
from training.loop.curve import draw_curve
from training.loop.patches import LEARNING_RATE, Losses, Pace, output_of, start, train_on
from training.outline_1mm.femur import femur_samples, femur_shelf
from training.outline_1mm.sample import FineSample
from training.outline_1mm.vertebra import vertebra_samples, vertebra_shelf

DEFAULT_CACHE: Final = Path("runs/cache")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One training run."""

    task: str
    out: Path
    data: Path | None = None
    cache: Path = DEFAULT_CACHE
    minutes: float = 60.0
    steps: int | None = None
    patients: int = 40
    batch: int = 1
    workers: int = 1
    threads: int = 1
    device: str = "cpu"
    resume: bool = False
    seed: int = 0
    log_every: int = 50
    rate: float = LEARNING_RATE
    start_from: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is trained: a network, where its samples come from, and its loss."""

    network: Callable[[], nn.Module]
    samples: Callable[[Config, int], Iterator[FineSample]]
    loss: Callable[[], nn.Module]


def _femur(config: Config, seed: int) -> Iterator[FineSample]:
    shelf = femur_shelf(config.data, config.cache / "femur", patients=config.patients)
    return femur_samples(shelf, seed)


def _vertebra(config: Config, seed: int) -> Iterator[FineSample]:
    shelf = vertebra_shelf(config.data, config.cache / "vertebra", patients=config.patients)
    return vertebra_samples(shelf, seed)


TASKS: Final[Mapping[str, Task]] = MappingProxyType(
    {
        # Study 3 trains with focal loss; Dice beside it keeps the small bone from vanishing.
        "femur": Task(
            network=femur_1mm_network,
            samples=_femur,
            loss=lambda: DiceFocalLoss(
                to_onehot_y=True, softmax=True, include_background=False, lambda_focal=5.0
            ),
        ),
        "vertebra": Task(
            network=vertebra_1mm_network,
            samples=_vertebra,
            loss=lambda: DiceCELoss(to_onehot_y=True, softmax=True, include_background=False),
        ),
    }
)


class Patches(IterableDataset[dict[str, torch.Tensor]]):
    """Endless random patches, another stream in every worker and after every resumption."""

    def __init__(self, config: Config, first_step: int) -> None:
        self.config, self.first_step = config, first_step

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        """Load the specimens in the worker that uses them."""
        torch.set_num_threads(1)
        worker = get_worker_info()
        seed = self.config.seed + 1000 * self.first_step + (worker.id if worker else 0)
        for sample in TASKS[self.config.task].samples(self.config, seed):
            yield {"image": sample.image, "labels": sample.labels[None]}


def train(config: Config) -> TrainingState:
    """Run until the minutes (or steps) are used up."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    task = TASKS[config.task]
    run = start(
        task.network(),
        config.out,
        config.device,
        seed=config.seed,
        resume=config.resume,
        start_from=config.start_from,
    )
    criterion = task.loss()

    def losses(batch: dict[str, torch.Tensor]) -> Losses:
        output = output_of(run, batch["image"], config.device)
        return {"loss": criterion(output, batch["labels"].to(config.device))}

    train_on(
        run,
        DataLoader(Patches(config, run.step), batch_size=config.batch, num_workers=config.workers),
        losses,
        Pace(
            out=config.out,
            minutes=config.minutes,
            steps=config.steps,
            rate=config.rate,
            log_every=config.log_every,
        ),
    )
    draw_curve(config.out)
    return run


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("task", choices=sorted(TASKS))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--patients", type=int, default=40)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rate", type=float, default=LEARNING_RATE)
    parser.add_argument("--start-from", type=Path, help="weights to start from")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    run = train(Config(**vars(parser.parse_args())))
    print(f"{run.step} steps in {run.seconds / 60:.1f} min, {run.precision}")


if __name__ == "__main__":
    main()
