"""Train one of study 4's networks.

    python -m training.study4.train dcnn --examples runs/study4/examples --out runs/study4/dcnn --minutes 15
    python -m training.study4.train fusion --examples ... --out runs/study4/fusion --resume

``dcnn`` and ``unet`` outline the trabecular area of one slice. ``fusion`` classifies L1 and L2 as two
channels (the study's model 1), ``single`` L1 alone (model 2). The study trains its segmentation with
SGD at 0.001, batches of 64 and 500 epochs and does not describe the training of its classifier. This
program uses Adam with a rate that falls as a cosine over the minutes, Dice + binary cross-entropy for
outlines and cross-entropy for classes, flips, rotation, scale, shift and noise, and a moving average of
the weights. The same code runs on CPU and CUDA. ``--minutes`` stops early, ``--resume`` continues.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from models.networks.dcnn import NARROW, ChestDCNN
from models.networks.residual import Variant, residual_classifier
from models.networks.unet2d import chest_unet
from pipelines.secondary.chest.network_input import (
    ROI_SIDE,
    SEGMENTATION_SIDE,
    WINDOW_HU,
    cut_square,
)
from training.loop.about import Kind, Source, settings_of, used_sources
from training.loop.checkpoint import (
    TrainingState,
    averaged,
    begin_part,
    log_line,
    restore_state,
    save_state,
)
from training.loop.command import print_run, trainer_parser
from training.loop.curve import draw_curve
from training.loop.precision import autocast, precision_of
from training.study4.examples import LEVELS, ChestSubject, read_subjects
from training.study4.plan import Part

Task = Literal["dcnn", "unet", "fusion", "single"]
SEGMENTATION: Final = ("dcnn", "unet")
RATES: Final = {"dcnn": 1e-3, "unet": 1e-3, "fusion": 5e-4, "single": 5e-4}
BATCHES: Final = {"dcnn": 8, "unet": 8, "fusion": 32, "single": 32}
UNET_WIDTHS: Final = (32, 64, 128, 256, 512)
"""Half of the original widths, for training on a CPU."""
ROTATION_DEG: Final = 15.0
NOISE_HU: Final = 25.0
CONTRAST: Final = 0.15
"""Augmentation of segmentation only: HU are scaled by up to this share, and shifted by up to 30."""
AVERAGE_DECAY: Final = 0.98
SAVE_EVERY_S: Final = 120.0
LOG_EVERY: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of one training run.

    Parameters
    ----------
    images
        Number of slices of a segmentation run (the study's Fig. 5); ``None`` uses all.
    """

    task: Task
    examples: Path
    out: Path
    minutes: float = 15.0
    steps: int | None = None
    images: int | None = None
    batch: int | None = None
    variant: Variant = "text34"
    device: str = "cpu"
    threads: int = 1
    resume: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """A part of the cohort in memory.

    Parameters
    ----------
    hu : (n, channels, side, side) int16
    masks : as ``hu``, bool
    status : (n,) int64
        Class of the subject.
    """

    hu: torch.Tensor
    masks: torch.Tensor
    status: torch.Tensor


def slice_bank(subjects: Sequence[ChestSubject], images: int | None = None) -> Bank:
    """Whole slices, two of each subject: (n, 1, 192, 192)."""
    slices = [(one, level) for one in subjects for level in LEVELS][:images]
    return Bank(
        hu=torch.from_numpy(np.stack([one.hu(level)[None] for one, level in slices])),
        masks=torch.from_numpy(np.stack([one.core(level)[None] for one, level in slices])),
        status=torch.tensor([one.status for one, _ in slices]),
    )


def region_bank(subjects: Sequence[ChestSubject], task: Task) -> Bank:
    """Pixels around the true area: (n, 2 or 1, 96, 96)."""
    levels = LEVELS if task == "fusion" else LEVELS[:1]
    hu, masks = [], []
    for one in subjects:
        cores = [one.core(level) for level in levels]
        centres = [_centroid(core) for core in cores]
        hu.append(
            np.stack([
                cut_square(one.hu(level), centre, ROI_SIDE, -1000)
                for level, centre in zip(levels, centres, strict=True)
            ])
        )  # fmt: skip
        masks.append(
            np.stack([
                cut_square(core, centre, ROI_SIDE, False)
                for core, centre in zip(cores, centres, strict=True)
            ])
        )  # fmt: skip
    return Bank(
        hu=torch.from_numpy(np.stack(hu)),
        masks=torch.from_numpy(np.stack(masks)),
        status=torch.tensor([one.status for one in subjects]),
    )


def _centroid(mask: np.ndarray) -> tuple[float, float]:
    rows, columns = np.nonzero(mask)
    return float(rows.mean()), float(columns.mean())


def build(task: Task, variant: Variant = "text34") -> nn.Module:
    """The network of a task."""
    if task == "dcnn":
        return ChestDCNN(out_channels=1, widths=NARROW)
    if task == "unet":
        return chest_unet(out_channels=1, widths=UNET_WIDTHS)
    return residual_classifier(2 if task == "fusion" else 1, variant)


def scaled(hu: torch.Tensor) -> torch.Tensor:
    """Apply the fixed window of `pipelines.secondary.chest.network_input.windowed` to tensors."""
    low, high = WINDOW_HU
    return ((hu - low) / (high - low)).clamp(0, 1)


def _moved(
    hu: torch.Tensor, masks: torch.Tensor, generator: torch.Generator, scale: float, shift: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Flip, rotate, scale and shift slices and their masks (as 0 to 1)."""
    count = len(hu)

    def even(reach: float) -> torch.Tensor:
        return (torch.rand(count, generator=generator) * 2 - 1) * reach

    angle, size = even(math.radians(ROTATION_DEG)), 1 + even(scale)
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    turn = torch.zeros(count, 2, 3)
    turn[:, 0, 0], turn[:, 0, 1] = mirror * size * angle.cos(), -mirror * size * angle.sin()
    turn[:, 1, 0], turn[:, 1, 1] = size * angle.sin(), size * angle.cos()
    turn[:, 0, 2], turn[:, 1, 2] = even(shift), even(shift)
    both = torch.cat([hu, masks.float()], dim=1)
    grid = functional.affine_grid(turn.to(hu.device), list(both.shape), align_corners=False)
    moved = functional.grid_sample(both, grid, padding_mode="border", align_corners=False)
    channels = hu.shape[1]
    return moved[:, :channels], moved[:, channels:]


def _noise(hu: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Noise in HU with random standard deviation, smooth or fine."""
    width = torch.rand(len(hu), 1, 1, 1, generator=generator) * NOISE_HU
    white = torch.randn(hu.shape, generator=generator)
    if torch.rand((), generator=generator) < 0.5:
        white = 2 * functional.avg_pool2d(white, 3, stride=1, padding=1)
    return (width * white).to(hu.device)


def slice_batch(
    hu: torch.Tensor, masks: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Input and target of a segmentation network: the middle 128 x 128 pixels, augmented."""
    hu, masks = _moved(hu.float(), masks, generator, 0.2, 0.05)
    border = (hu.shape[-1] - SEGMENTATION_SIDE) // 2
    middle = slice(border, border + SEGMENTATION_SIDE)
    hu, masks = hu[..., middle, middle], masks[..., middle, middle]
    stretch = 1 + (torch.rand(len(hu), 1, 1, 1, generator=generator) * 2 - 1) * CONTRAST
    offset = (torch.rand(len(hu), 1, 1, 1, generator=generator) * 2 - 1) * 30
    hu = hu * stretch.to(hu.device) + offset.to(hu.device) + _noise(hu, generator)
    return scaled(hu), (masks > 0.5).float()


def region_batch(hu: torch.Tensor, masks: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Input of a classifier; the outline is shifted by up to two pixels, HU do not change."""
    hu, masks = _moved(hu.float(), masks, generator, 0.08, 0.05)
    inside = (masks > 0.5).float()
    rounds = int(torch.randint(-2, 3, (), generator=generator))
    for _ in range(abs(rounds)):
        wider = functional.max_pool2d(inside if rounds > 0 else 1 - inside, 3, 1, 1)
        inside = wider if rounds > 0 else 1 - wider
    return scaled(hu + _noise(hu, generator)) * inside


def dice_and_entropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """1 - soft Dice, plus binary cross-entropy."""
    share = torch.sigmoid(logits)
    both = (share * target).sum((1, 2, 3))
    dice = (2 * both + 1) / (share.sum((1, 2, 3)) + target.sum((1, 2, 3)) + 1)
    return 1 - dice.mean() + functional.binary_cross_entropy_with_logits(logits, target)


def start(config: Config, subjects: Sequence[ChestSubject] = ()) -> TrainingState:
    """Start a new run, or resume the one in ``config.out``.

    Parameters
    ----------
    subjects
        Subjects of the training part, for the record of the run.
    """
    torch.manual_seed(config.seed)
    network = build(config.task, config.variant)
    network.to(config.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), RATES[config.task], weight_decay=1e-3)
    state = TrainingState(network=network, optimizer=optimizer, average=averaged(network))
    state.notes = {"task": config.task, "variant": config.variant, "skipped": 0}
    if config.resume:
        restore_state(state, config.out, config.device)
    begin_part(
        state,
        precision_of(config.device),
        config.device,
        settings=settings_of(config) | {"learning_rate": RATES[config.task]},
        sources=sources_of(subjects),
    )
    return state


def sources_of(subjects: Sequence[ChestSubject]) -> tuple[Source, ...]:
    """Number of virtual and of real subjects, for the record of the run."""
    virtual = sum(one.simulated for one in subjects)
    found = (
        Source(kind=Kind.VIRTUAL, count=virtual, what="with two slices each"),
        Source(kind=Kind.REAL, count=len(subjects) - virtual, what="subjects, two slices each"),
    )
    return used_sources(found)


def train(config: Config) -> TrainingState:
    """Train for the given minutes or steps."""
    torch.set_num_threads(config.threads)
    subjects = read_subjects(config.examples, [Part.TRAINING])
    if not subjects:
        msg = f"no examples in {config.examples}; run python -m training.study4.examples"
        raise FileNotFoundError(msg)
    segments = config.task in SEGMENTATION
    bank = slice_bank(subjects, config.images) if segments else region_bank(subjects, config.task)
    state = start(config, subjects)
    _run(state, bank, config)
    save_state(state, config.out)
    draw_curve(config.out)
    return state


def _run(state: TrainingState, bank: Bank, config: Config) -> None:
    before, first = state.seconds, state.step
    started = saved = time.monotonic()
    losses: list[float] = []
    for rows in _batches(len(bank.status), config, state.step):
        elapsed = time.monotonic() - started
        state.seconds = before + elapsed
        share = elapsed / 60 / config.minutes
        done = (state.step - first) / config.steps if config.steps else share
        if done >= 1:
            _log(state, losses, config)
            return
        for group in state.optimizer.param_groups:
            group["lr"] = RATES[config.task] * max(0.01, 0.5 * (1 + math.cos(math.pi * done)))
        losses.append(_step(state, bank, rows, config))
        if state.step % LOG_EVERY == 0:
            _log(state, losses, config)
        if time.monotonic() - saved > SAVE_EVERY_S:
            save_state(state, config.out)
            saved = time.monotonic()


def _log(state: TrainingState, losses: list[float], config: Config) -> None:
    """Log the mean of the losses since the last log line."""
    if losses:
        log_line(
            config.out,
            step=state.step,
            minutes=round(state.seconds / 60, 2),
            loss=round(float(np.mean(losses)), 5),
            precision=state.precision,
        )
    losses.clear()


def _batches(count: int, config: Config, first: int) -> Iterator[torch.Tensor]:
    """Endless shuffled batches; the order differs after every resumption."""
    generator = torch.Generator().manual_seed(config.seed * 100_003 + first)
    size = min(config.batch or BATCHES[config.task], count)
    while True:
        order = torch.randperm(count, generator=generator)
        yield from (rows for rows in order.split(size) if len(rows) == size)


def _step(state: TrainingState, bank: Bank, rows: torch.Tensor, config: Config) -> float:
    state.network.train()
    generator = torch.Generator().manual_seed(config.seed * 7919 + state.step)
    hu, masks = bank.hu[rows].to(config.device), bank.masks[rows].to(config.device)
    if config.task in SEGMENTATION:
        image, target = slice_batch(hu, masks, generator)
    else:
        image = region_batch(hu, masks, generator)
        target = bank.status[rows].to(config.device)
    image = image.contiguous(memory_format=torch.channels_last)
    with autocast(config.device, state.precision):
        output = state.network(image)
    loss = (
        dice_and_entropy(output.float(), target)
        if config.task in SEGMENTATION
        else functional.cross_entropy(output.float(), target, label_smoothing=0.02)
    )
    state.optimizer.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(state.network.parameters(), 5.0)
    state.step += 1
    if not torch.isfinite(norm):  # bfloat16 over few pixels, see training.study1.train
        state.notes["skipped"] += 1
        return float(loss.item())
    state.optimizer.step()
    decay = min(AVERAGE_DECAY, (state.step + 1) / (state.step + 10))
    for name, value in state.network.state_dict().items():
        if value.is_floating_point():
            state.average[name].lerp_(value, 1 - decay)
        else:  # number of batches that were normalised
            state.average[name].copy_(value)
    return float(loss.item())


def main() -> None:
    """Command line."""
    parser = trainer_parser(__doc__, minutes=15.0)
    parser.add_argument("task", choices=["dcnn", "unet", "fusion", "single"])
    parser.add_argument("--examples", type=Path, required=True)
    parser.add_argument("--steps", type=int, help="steps of this part, instead of --minutes")
    parser.add_argument(
        "--images", type=int, help="number of slices of a segmentation run; default: all"
    )
    parser.add_argument("--batch", type=int)
    parser.add_argument("--variant", choices=["text34", "resnet50", "resnet101"], default="text34")
    print_run(train(Config(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
