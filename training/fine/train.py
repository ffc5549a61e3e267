"""Train a 1 mm network on simulation alone.

    python -m training.fine.train femur --data ../shared/data --out runs/femur --minutes 60
    python -m training.fine.train femur --out runs/femur --minutes 30 --resume

No real CT takes part: shapes come from masks, meshes and the virtual cohort, tissue is painted. The
same code runs on CPU and CUDA. Writes ``checkpoint.safetensors`` and ``state.json`` (resumable),
``weights.safetensors`` (moving average), ``log.jsonl`` and ``curve.png``.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import torch
from monai.losses import DiceCELoss, DiceFocalLoss
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from models.networks.fine import femur_fine_network, vertebra_fine_network
from training.checkpoint import TrainingState, averaged, restore_state, save_state
from training.fine.curve import draw_curve
from training.fine.femur import femur_samples, femur_shelf
from training.fine.sample import FineSample
from training.fine.vertebra import vertebra_samples, vertebra_shelf

DEFAULT_CACHE: Final = Path("runs/cache")
LEARNING_RATE: Final = 2e-3
AVERAGE_DECAY: Final = 0.998
WARM_STEPS: Final = 100
SAVE_EVERY: Final = 200


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
            network=femur_fine_network,
            samples=_femur,
            loss=lambda: DiceFocalLoss(
                to_onehot_y=True, softmax=True, include_background=False, lambda_focal=5.0
            ),
        ),
        "vertebra": Task(
            network=vertebra_fine_network,
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


@dataclass(slots=True)
class Run(TrainingState):
    """The mutable state of a training run."""

    skipped: int = 0
    recent: list[float] = field(default_factory=list)


def start(config: Config) -> Run:
    """A fresh run, or the one that ``config.out`` holds."""
    torch.manual_seed(config.seed)
    network = _channels_last(TASKS[config.task].network().to(config.device))
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=1e-5)
    run = Run(network=network, average=averaged(network), optimizer=optimizer)
    run.notes = {"seed": config.seed}
    if config.resume:
        restore_state(run, config.out, config.device)
    return run


def train(config: Config) -> Run:
    """Run until the minutes (or steps) are used up; the rate falls as a cosine over them."""
    torch.set_num_threads(config.threads)
    run = start(config)
    criterion = TASKS[config.task].loss()
    loader = DataLoader(
        Patches(config, run.step), batch_size=config.batch, num_workers=config.workers
    )
    config.out.mkdir(parents=True, exist_ok=True)
    before, first = run.seconds, run.step
    started: float | None = None
    with (config.out / "log.jsonl").open("a") as log:
        for batch in loader:
            started = started or time.monotonic()  # preparing the specimens is no training
            elapsed = time.monotonic() - started
            run.seconds = before + elapsed
            share = elapsed / 60 / config.minutes
            done = (run.step - first) / config.steps if config.steps else share
            if done >= 1:
                break
            _step(run, config, {k: v.to(config.device) for k, v in batch.items()}, criterion, done)
            if run.step % config.log_every == 0:
                entry = {"step": run.step, "minutes": round(run.seconds / 60, 2)}
                entry["skipped"] = run.skipped
                if run.recent:
                    entry["loss"] = round(float(np.mean(run.recent)), 4)
                log.write(json.dumps(entry) + "\n")
                log.flush()
                run.recent.clear()
            if run.step % SAVE_EVERY == 0:
                save_state(run, config.out)
    save_state(run, config.out)
    draw_curve(config.out)
    return run


def _step(
    run: Run, config: Config, batch: dict[str, torch.Tensor], criterion: nn.Module, done: float
) -> None:
    rate = config.rate * max(0.01, 0.5 * (1 + math.cos(math.pi * done)))
    for group in run.optimizer.param_groups:
        group["lr"] = rate * min(1.0, (run.step + 1) / WARM_STEPS)
    image = _channels_last(batch["image"])
    with torch.autocast(config.device.split(":")[0], dtype=torch.bfloat16):
        output = run.network(image)
    loss = criterion(output.float(), batch["labels"])
    run.optimizer.zero_grad()
    loss.backward()
    steepness = torch.nn.utils.clip_grad_norm_(run.network.parameters(), 1.0)
    run.step += 1
    if not torch.isfinite(steepness):
        run.skipped += 1  # one bad patch must not spoil the weights
        return
    run.optimizer.step()
    decay = min(AVERAGE_DECAY, (run.step + 1) / (run.step + 10))
    for name, value in run.network.state_dict().items():
        run.average[name].lerp_(value.to(run.average[name].dtype), 1 - decay)
    run.recent.append(loss.item())


def _channels_last(thing):
    """Convolutions of five-dimensional tensors are faster with the channels last."""
    if isinstance(thing, nn.Module):
        flat = any(p.dim() == 4 for p in thing.parameters())
    else:
        flat = thing.dim() == 4
    form = torch.channels_last if flat else torch.channels_last_3d
    return thing.to(memory_format=form)


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
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    run = train(Config(**vars(parser.parse_args())))
    print(f"{run.step} steps in {run.seconds / 60:.1f} min")


if __name__ == "__main__":
    main()
