"""Train a 1 mm network (femur or vertebra) on simulated data only.

    python -m training.outline_1mm.train femur --data ../shared/data --out runs/femur --minutes 60
    python -m training.outline_1mm.train femur --out runs/femur --minutes 30 --resume
    python -m training.outline_1mm.train femur --out runs/more --start-from models/weights/femur_1mm.safetensors

No real CT is used. Shapes come from masks, meshes and the virtual cohort; tissue is painted. The
same code runs on CPU and CUDA. The trainer writes ``checkpoint.safetensors`` and ``state.json`` (for
``--resume``), ``weights.safetensors`` (moving average), ``log.jsonl`` and ``curve.png``.
"""

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
from training.loop.about import Source, settings_of
from training.loop.checkpoint import TrainingState
from training.loop.command import CACHE, patch_trainer_parser, print_run
from training.loop.curve import draw_curve
from training.loop.patches import LEARNING_RATE, Losses, Pace, output_of, start, train_on
from training.outline_1mm.femur import femur_samples, femur_shelf, femur_sources_of
from training.outline_1mm.sample import FineSample
from training.outline_1mm.vertebra import vertebra_samples, vertebra_shelf, vertebra_sources_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of one training run."""

    task: str
    out: Path
    data: Path | None = None
    cache: Path = CACHE
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
    """Network, samples, their sources, and loss of one 1 mm network."""

    network: Callable[[], nn.Module]
    samples: Callable[[Config, int], Iterator[FineSample]]
    loss: Callable[[], nn.Module]
    sources: Callable[[Config], tuple[Source, ...]]


def _femur(config: Config, seed: int) -> Iterator[FineSample]:
    shelf = femur_shelf(config.data, config.cache / "femur", patients=config.patients)
    return femur_samples(shelf, seed)


def _vertebra(config: Config, seed: int) -> Iterator[FineSample]:
    shelf = vertebra_shelf(config.data, config.cache / "vertebra", patients=config.patients)
    return vertebra_samples(shelf, seed)


TASKS: Final[Mapping[str, Task]] = MappingProxyType(
    {
        # Study 3 trains with focal loss; Dice is added so that the small bone does not vanish.
        "femur": Task(
            network=femur_1mm_network,
            samples=_femur,
            loss=lambda: DiceFocalLoss(
                to_onehot_y=True, softmax=True, include_background=False, lambda_focal=5.0
            ),
            sources=lambda config: femur_sources_of(config.data, config.patients),
        ),
        "vertebra": Task(
            network=vertebra_1mm_network,
            samples=_vertebra,
            loss=lambda: DiceCELoss(to_onehot_y=True, softmax=True, include_background=False),
            sources=lambda config: vertebra_sources_of(config.data, config.patients),
        ),
    }
)


class Patches(IterableDataset[dict[str, torch.Tensor]]):
    """Endless random patches; every worker and every resumed run has its own stream."""

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
    """Train for the given minutes or steps."""
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
        settings=settings_of(config),
        sources=task.sources(config),
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
    parser = patch_trainer_parser(__doc__, minutes=60, patients=40)
    parser.add_argument("task", choices=sorted(TASKS))
    parser.add_argument("--batch", type=int, default=1)
    print_run(train(Config(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
