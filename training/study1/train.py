"""Train one of study 1's two networks.

    python -m training.study1.train bmd --examples runs/study1/examples --out runs/study1/bmd --minutes 60
    python -m training.study1.train status --examples ... --out runs/study1/status --resume

Settings as in the study: Adam at 1e-4, batches of 32 (accumulated from micro-batches), 200 epochs, MSE
or cross-entropy, random flips and in-plane rotation, no selection on the test part. The study states no
angle; here it is up to 15 degrees. The same code runs on CPU and CUDA. ``--minutes`` stops early,
``--resume`` continues.

For machines without an accelerator: ``--stride 2`` halves the resolution, ``--stride 2,4,4`` makes the
input 32 voxels in each direction (a coarse run that is resumed at stride 2 learns faster).
``--start-from`` copies the features of the other network. ``--bfloat16`` halves the time of the early
layers on a CPU with instructions for it; on any other CPU they stay in single precision.

An extension of the study: ``--stretch 0.12`` makes vertebrae up to 12 % deeper or shallower from front
to back and scales their areal density alike, since mass over projected area grows with the depth.
"""

import argparse
import json
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
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from models.networks.dxa_equivalent import bmd_network, class_network
from pipelines.secondary.dxa_equivalent.network_input import Normalization, coarse, normalized
from training.cohort.people.densitometry import NHANES_III, t_score, who_class
from training.loop.about import Kind, Source, read_about, settings_of, used_sources
from training.loop.checkpoint import (
    STATE,
    WEIGHTS,
    TrainingState,
    begin_part,
    log_line,
    restore_state,
    save_state,
)
from training.loop.command import print_run, trainer_parser
from training.loop.precision import Precision, autocast, precision_of
from training.study1.examples import Example, read_examples

Task = Literal["bmd", "status"]
Stride = tuple[int, int, int]
LEARNING_RATE: Final = 1e-4
ROTATION_DEG: Final = 15.0
SAVE_EVERY_S: Final = 120.0
FULL: Final[Stride] = (1, 1, 1)
FIRST_DEEP: Final = "denseblock3"
"""On CPUs, layers before this one may run in bfloat16. From here on there are few voxels, for which
PyTorch 2.13 computes gradients of 3x3x3 convolutions in bfloat16 that are not finite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of one training run.

    Parameters
    ----------
    micro
        Vertebrae per pass on the device; gradients are accumulated to ``batch``. Batch
        normalisation uses ``micro`` vertebrae.
    stride
        Slices, rows and columns that are averaged to one.
    falling
        Let the learning rate fall as a cosine over the minutes or epochs; the study states no
        schedule.
    stretch
        Largest change of depth, as a share; 0 for none.
    bfloat16
        Run early layers in bfloat16 if the CPU has instructions for it. Accelerators that support
        bfloat16 always run all layers in it.
    more
        Further folders of examples, for instance of `training.study1.osteophytes`.
    start_from
        Folder of another run; its weights except the last layer are copied.
    """

    task: Task
    examples: Path
    out: Path
    epochs: int = 200
    minutes: float = math.inf
    batch: int = 32
    micro: int = 8
    stride: Stride = FULL
    learning_rate: float = LEARNING_RATE
    normalization: Normalization = Normalization.FIXED_WINDOW
    falling: bool = False
    stretch: float = 0.0
    bfloat16: bool = False
    more: tuple[Path, ...] = ()
    start_from: Path | None = None
    device: str = "cpu"
    threads: int = 2
    resume: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """All vertebrae of a part as network input.

    Parameters
    ----------
    images : (vertebrae, 1, slices, rows, columns) float16, 0 to 1
    areal : (vertebrae,) float32
        g/cm2 by DXA: of the vertebra, or of L1 to L4 together for the task ``status``.
    """

    images: torch.Tensor
    areal: torch.Tensor


def fill_bank(examples: Sequence[Example], config: Config) -> Bank:
    """Normalise all vertebrae and keep them in memory (2 MB each at stride 1)."""
    needs_core = config.normalization is Normalization.MASKED_MINMAX
    images = []
    for example in track(examples, "vertebrae", console=Console(stderr=True), transient=True):
        hu = np.asarray(example.hu(), np.float32)
        core = example.core() if needs_core else None
        image = coarse(normalized(hu, config.normalization, core), config.stride)
        images.append(torch.from_numpy(image)[None].half())
    mean, deviation = NHANES_III.spine
    areal = [
        e.abmd_g_cm2 if config.task == "bmd" else mean + deviation * e.spine_t_score
        for e in examples
    ]
    return Bank(images=torch.stack(images), areal=torch.tensor(areal))


def build(task: Task) -> nn.Module:
    """The network of a task."""
    return bmd_network() if task == "bmd" else class_network()


def augmented(
    images: torch.Tensor, generator: torch.Generator, depth: torch.Tensor | None = None
) -> torch.Tensor:
    """Flip left and right, and rotate in the plane; (batch, 1, slices, rows, columns).

    Parameters
    ----------
    depth : (batch,)
        Factors on the size from front to back, applied before the rotation; default 1.
    """
    count = len(images)
    angle = (torch.rand(count, generator=generator) * 2 - 1) * math.radians(ROTATION_DEG)
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    # Rows and columns have the same size, so a rotation needs no correction.
    turn = torch.zeros(count, 3, 4)
    turn[:, 0, 0], turn[:, 0, 1] = mirror * angle.cos(), -mirror * angle.sin()
    turn[:, 1, 0], turn[:, 1, 1] = angle.sin(), angle.cos()
    turn[:, 2, 2] = 1
    if depth is not None:
        turn[:, 1] /= depth[:, None]
    grid = functional.affine_grid(
        turn.to(images.device, images.dtype), list(images.shape), align_corners=False
    )
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def train(config: Config) -> TrainingState:
    """Train for the given epochs or minutes."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    folders = (config.examples, *config.more)
    examples = [e for one in folders for e in read_examples(one) if not e.is_test]
    if not examples:
        msg = f"no examples in {config.examples}; run python -m training.study1.examples"
        raise FileNotFoundError(msg)
    bank = fill_bank(examples, config)
    network = build(config.task)
    if config.task == "bmd":
        with torch.no_grad():  # otherwise the first hundred steps only fit the mean
            network.get_parameter("class_layers.out.bias").fill_(float(bank.areal.mean()))
    if config.start_from is not None:
        take_features(network, config.start_from)
    network.to(config.device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(network.parameters(), config.learning_rate)
    state = TrainingState(network=network, optimizer=optimizer)
    if config.resume:
        restore_state(state, config.out, config.device)
    stride = ",".join(str(number) for number in config.stride)
    begin_part(
        state,
        training_precision(config),
        config.device,
        settings=settings_of(config) | {"stride": stride},
        sources=sources_of(examples),
        started_from=earlier_run(config.start_from),
    )
    state.notes |= {"task": config.task, "stride": config.stride, "norm": config.normalization}
    _run(state, bank, config)
    save_state(state, config.out)
    return state


def sources_of(examples: Sequence[Example]) -> tuple[Source, ...]:
    """Number of patients and vertebrae of all folders, for the record of the run."""
    patients = {(one.folder.parent, one.patient): one.simulated for one in examples}
    virtual = sum(patients.values())
    vertebrae = sum(one.simulated for one in examples)
    what = "with DXA, {} vertebrae".format
    found = (
        Source(kind=Kind.VIRTUAL, count=virtual, what=what(vertebrae)),
        Source(
            kind=Kind.REAL,
            count=len(patients) - virtual,
            what=f"patients {what(len(examples) - vertebrae)}",
        ),
    )
    return used_sources(found)


def earlier_run(folder: Path | None) -> str:
    """Description of the run whose features are copied; empty if there is none."""
    if folder is None:
        return ""
    about = read_about(folder, json.loads((folder / STATE).read_text(encoding="utf-8")))
    return f"started from the features of another run ({about.data_text()} {about.training_text()})"


def _run(state: TrainingState, bank: Bank, config: Config) -> None:
    before, started, saved = state.seconds, time.monotonic(), time.monotonic()
    while state.epoch < config.epochs:
        losses = []
        for rows in _batches(len(bank.areal), config, state.epoch):
            elapsed = time.monotonic() - started
            state.seconds = before + elapsed
            if elapsed / 60 >= config.minutes:
                return
            if config.falling:
                done = max(elapsed / 60 / config.minutes, state.epoch / config.epochs)
                for group in state.optimizer.param_groups:
                    fall = max(0.02, 0.5 * (1 + math.cos(math.pi * done)))
                    group["lr"] = config.learning_rate * fall
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
            precision=state.precision,
        )


def _batches(count: int, config: Config, epoch: int) -> Iterator[torch.Tensor]:
    """Shuffled batches; a last batch too small for batch normalisation is skipped."""
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
        depth = 1 + (torch.rand(len(part), generator=generator) * 2 - 1) * config.stretch
        images = bank.images[part].to(config.device).float()
        targets = _targets(config.task, bank.areal[part] * depth).to(config.device)
        images = augmented(images, generator, depth)
        output = output_of(state.network, images, config.device, state.precision)
        loss = criterion(config.task, output.float(), targets) * (len(part) / len(rows))
        loss.backward()
        total += loss.item()
    state.optimizer.step()
    state.step += 1
    return total


def _targets(task: Task, areal: torch.Tensor) -> torch.Tensor:
    """Areal density, or the class of its T-score."""
    if task == "bmd":
        return areal
    return torch.from_numpy(who_class(t_score(areal.numpy(), NHANES_III.spine)))


def training_precision(config: Config) -> Precision:
    """Bfloat16 for all layers on accelerators; on CPUs for early layers with ``bfloat16``."""
    precision = precision_of(config.device)
    if config.device != "cpu" or precision is Precision.SINGLE:
        return precision
    return Precision.EARLY_BFLOAT16 if config.bfloat16 else Precision.SINGLE


def output_of(
    network: nn.Module, images: torch.Tensor, device: str, precision: Precision
) -> torch.Tensor:
    """Run the forward pass in the given precision."""
    if precision is not Precision.EARLY_BFLOAT16:
        with autocast(device, precision):
            return network(images)  # type: ignore[no-any-return]
    images = images.contiguous(memory_format=torch.channels_last_3d)
    is_early = True
    for name, layer in network.get_submodule("features").named_children():
        is_early = is_early and name != FIRST_DEEP
        with autocast(device, Precision.BFLOAT16 if is_early else Precision.SINGLE):
            images = layer(images if is_early else images.float())
    return network.get_submodule("class_layers")(images)  # type: ignore[no-any-return]


def take_features(network: nn.Module, folder: Path) -> None:
    """Copy the weights of another run, except the last layer."""
    tensors = load_file(folder / WEIGHTS)
    features = {name: value for name, value in tensors.items() if name.startswith("features.")}
    network.load_state_dict(features, strict=False)


def _parts(rows: torch.Tensor, micro: int) -> Sequence[torch.Tensor]:
    """Micro-batches of at least two vertebrae, since batch normalisation needs them."""
    count = max(1, min(math.ceil(len(rows) / micro), len(rows) // 2))
    return rows.tensor_split(count)


def criterion(task: Task, output: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean squared error of areal density, or cross-entropy of the class."""
    if task == "bmd":
        return functional.mse_loss(output[:, 0], targets)
    return functional.cross_entropy(output, targets)


def read_stride(text: str) -> Stride:
    """Parse a stride: ``2`` for all axes, ``2,4,4`` for slices, rows and columns."""
    numbers = [int(part) for part in text.split(",")]
    if len(numbers) == 1:
        numbers *= 3
    if len(numbers) != 3 or min(numbers) < 1:
        msg = f"stride {text!r} is not one or three whole numbers"
        raise argparse.ArgumentTypeError(msg)
    return numbers[0], numbers[1], numbers[2]


def main() -> None:
    """Command line."""
    parser = trainer_parser(__doc__, threads=2)
    parser.add_argument("task", choices=["bmd", "status"])
    parser.add_argument("--examples", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--micro", type=int, default=8)
    parser.add_argument(
        "--stride", type=read_stride, default=FULL, help="voxels averaged to one: 2, or 2,4,4"
    )
    parser.add_argument("--learning-rate", type=float, default=LEARNING_RATE)
    parser.add_argument(
        "--normalization", type=Normalization, default=Normalization.FIXED_WINDOW,
        choices=list(Normalization),
    )  # fmt: skip
    parser.add_argument("--falling", action="store_true", help="cosine learning rate")
    parser.add_argument(
        "--stretch", type=float, default=0.0, help="0.12: change depth by up to 12 %%"
    )
    parser.add_argument(
        "--bfloat16", action="store_true", help="early layers in bfloat16 if the CPU supports it"
    )
    parser.add_argument(
        "--more", type=Path, nargs="+", default=(), help="further folders of examples"
    )
    parser.add_argument("--start-from", type=Path, help="folder of a run to copy features from")
    print_run(train(Config(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
