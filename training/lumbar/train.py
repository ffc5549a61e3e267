"""Train one of study 1's two networks.

    python -m training.lumbar.train bmd --examples runs/study1/examples --out runs/study1/bmd --minutes 60
    python -m training.lumbar.train status --examples ... --out runs/study1/status --resume

Takes  Examples
Gives  weights.safetensors
Next   training.lumbar.predict

As the study says: Adam at 1e-4, batches of 32 (gathered from micro-batches), 200 epochs, MSE or
cross-entropy, random flips and in-plane rotation (by up to 15 degrees, which it does not say), no
selection on the test part. The same code runs on CPU and CUDA; ``--minutes`` stops early, ``--resume``
goes on, ``--stride 2`` halves the resolution for machines without an accelerator.
"""

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import nn
from torch.nn import functional

from models.networks.lumbar import bmd_network, status_network
from pipelines.vertebra_input import Normalization, normalized
from training.checkpoint import TrainingState, log_line, restore_state, save_state
from training.lumbar.examples import Example, read_examples

Task = Literal["bmd", "status"]
LEARNING_RATE: Final = 1e-4
ROTATION_DEG: Final = 15.0
SAVE_EVERY_S: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One training run.

    Parameters
    ----------
    micro
        Vertebrae at once on the device; their gradients are gathered to ``batch``. Batch
        normalisation sees ``micro`` only.
    stride
        Voxels that are averaged to one, along each axis.
    falling
        Let the learning rate fall as a cosine over the minutes or epochs; the study states none.
    """

    task: Task
    examples: Path
    out: Path
    epochs: int = 200
    minutes: float = math.inf
    batch: int = 32
    micro: int = 8
    stride: int = 1
    normalization: Normalization = Normalization.FIXED_WINDOW
    falling: bool = False
    device: str = "cpu"
    threads: int = 2
    resume: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """All vertebrae of a part, ready for the network.

    Parameters
    ----------
    images : (vertebrae, 1, slices, rows, columns) float16, 0 to 1
    targets : (vertebrae,) float32 g/cm2, or int64 class
    """

    images: torch.Tensor
    targets: torch.Tensor


def fill_bank(examples: Sequence[Example], config: Config) -> Bank:
    """Normalise all vertebrae and keep them in memory (2 MB each at stride 1)."""
    needs_core = config.normalization is Normalization.MASKED_MINMAX
    images = []
    for example in track(examples, "vertebrae", console=Console(stderr=True), transient=True):
        hu = np.asarray(example.hu(), np.float32)
        core = example.core() if needs_core else None
        image = torch.from_numpy(normalized(hu, config.normalization, core))[None]
        if config.stride > 1:
            image = functional.avg_pool3d(image, config.stride)
        images.append(image.half())
    targets = (
        torch.tensor([e.abmd_g_cm2 for e in examples], dtype=torch.float32)
        if config.task == "bmd"
        else torch.tensor([e.status for e in examples], dtype=torch.int64)
    )
    return Bank(images=torch.stack(images), targets=targets)


def build(task: Task) -> nn.Module:
    """The network of a task."""
    return bmd_network() if task == "bmd" else status_network()


def augmented(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Flip left and right, and rotate in the plane; (batch, 1, slices, rows, columns)."""
    count = len(images)
    angle = (torch.rand(count, generator=generator) * 2 - 1) * math.radians(ROTATION_DEG)
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    # The size of rows and columns is the same, so that a rotation needs no correction.
    turn = torch.zeros(count, 3, 4)
    turn[:, 0, 0], turn[:, 0, 1] = mirror * angle.cos(), -mirror * angle.sin()
    turn[:, 1, 0], turn[:, 1, 1] = angle.sin(), angle.cos()
    turn[:, 2, 2] = 1
    grid = functional.affine_grid(
        turn.to(images.device, images.dtype), list(images.shape), align_corners=False
    )
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def train(config: Config) -> TrainingState:
    """Train until the epochs or the minutes are used up."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    examples = [e for e in read_examples(config.examples) if not e.is_test]
    if not examples:
        msg = f"no examples in {config.examples}: python -m training.lumbar.examples"
        raise FileNotFoundError(msg)
    bank = fill_bank(examples, config)
    network = build(config.task)
    if config.task == "bmd":
        with torch.no_grad():  # else the first hundred steps only find the mean
            network.get_parameter("class_layers.out.bias").fill_(float(bank.targets.mean()))
    network.to(config.device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    state = TrainingState(network=network, optimizer=optimizer)
    state.notes = {"task": config.task, "stride": config.stride, "norm": config.normalization}
    if config.resume:
        restore_state(state, config.out, config.device)
    _run(state, bank, config)
    save_state(state, config.out)
    return state


def _run(state: TrainingState, bank: Bank, config: Config) -> None:
    before, started, saved = state.seconds, time.monotonic(), time.monotonic()
    while state.epoch < config.epochs:
        losses = []
        for rows in _batches(len(bank.targets), config, state.epoch):
            elapsed = time.monotonic() - started
            state.seconds = before + elapsed
            if elapsed / 60 >= config.minutes:
                return
            if config.falling:
                done = max(elapsed / 60 / config.minutes, state.epoch / config.epochs)
                for group in state.optimizer.param_groups:
                    group["lr"] = LEARNING_RATE * max(0.02, 0.5 * (1 + math.cos(math.pi * done)))
            losses.append(_step(state, bank, rows, config))
            if time.monotonic() - saved > SAVE_EVERY_S:
                save_state(state, config.out)
                saved = time.monotonic()
        state.epoch += 1
        log_line(
            config.out,
            epoch=state.epoch,
            minutes=round(state.seconds / 60, 2),
            loss=round(float(np.mean(losses)), 6),
        )


def _batches(count: int, config: Config, epoch: int) -> Iterator[torch.Tensor]:
    """Shuffled; a rest too small for batch normalisation is left out."""
    generator = torch.Generator().manual_seed(config.seed * 100_003 + epoch)
    order = torch.randperm(count, generator=generator)
    for rows in order.split(config.batch):
        if len(rows) > 1:
            yield rows


def _step(state: TrainingState, bank: Bank, rows: torch.Tensor, config: Config) -> float:
    state.network.train()
    generator = torch.Generator().manual_seed(config.seed * 7919 + state.step)
    state.optimizer.zero_grad()
    total = 0.0
    for part in _parts(rows, config.micro):
        images = bank.images[part].to(config.device).float()
        targets = bank.targets[part].to(config.device)
        with _mixed_precision(config.device):
            output = state.network(augmented(images, generator))
        loss = criterion(config.task, output.float(), targets) * (len(part) / len(rows))
        loss.backward()
        total += loss.item()
    state.optimizer.step()
    state.step += 1
    return total


def _mixed_precision(device: str) -> torch.autocast:
    """On accelerators only.

    PyTorch 2.13 on CPUs gives gradients that are not finite for 3x3x3 convolutions of a few voxels
    in bfloat16, such as the last dense blocks have, and gains no time there.
    """
    kind = device.split(":")[0]
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=kind != "cpu")


def _parts(rows: torch.Tensor, micro: int) -> Sequence[torch.Tensor]:
    """Micro-batches; never one vertebra alone, which batch normalisation cannot use."""
    count = max(1, min(math.ceil(len(rows) / micro), len(rows) // 2))
    return rows.tensor_split(count)


def criterion(task: Task, output: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean squared error of areal density, or cross-entropy of the class."""
    if task == "bmd":
        return functional.mse_loss(output[:, 0], targets)
    return functional.cross_entropy(output, targets)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=["bmd", "status"])
    parser.add_argument("--examples", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--micro", type=int, default=8)
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument(
        "--normalization", type=Normalization, default=Normalization.FIXED_WINDOW,
        choices=list(Normalization),
    )  # fmt: skip
    parser.add_argument("--falling", action="store_true", help="cosine learning rate")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    state = train(Config(**vars(parser.parse_args())))
    print(f"{state.epoch} epochs, {state.step} steps in {state.seconds / 60:.1f} min")


if __name__ == "__main__":
    main()
