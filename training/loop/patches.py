"""Training loop of the networks that outline bones, on an endless stream of patches."""

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from training.loop.about import Setting, Source
from training.loop.checkpoint import (
    STARTED_FROM,
    TrainingState,
    averaged,
    begin_part,
    log_line,
    restore_state,
    save_state,
)
from training.loop.precision import autocast, precision_of

LEARNING_RATE: Final = 2e-3
AVERAGE_DECAY: Final = 0.998
WARM_STEPS: Final = 100
LEAST_RATE: Final = 0.02
"""Learning rate at the end of the cosine, as a share of the first."""
SAVE_EVERY: Final = 250

Batch = TypeVar("Batch")
Losses = Mapping[str, torch.Tensor]
"""Losses by their name in the log; training minimises their sum."""
Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Duration of a run and how often it writes to its log.

    Parameters
    ----------
    steps
        Number of steps; replaces ``minutes`` if given.
    """

    out: Path
    minutes: float
    steps: int | None = None
    rate: float = LEARNING_RATE
    log_every: int = 50
    measure_every: int = 250


def start(
    network: nn.Module,
    out: Path,
    device: str,
    *,
    seed: int,
    resume: bool,
    start_from: Path | None = None,
    settings: Mapping[str, Setting] = MappingProxyType({}),
    sources: Sequence[Source] = (),
) -> TrainingState:
    """Start a new run, or resume the one in ``out``.

    Parameters
    ----------
    start_from
        Initial weights of a new run, for instance the shipped ones; steps count from 0.
    settings, sources
        Written to the record of the run (`training.loop.about`).
    """
    if start_from is not None:
        tensors = load_file(start_from)
        network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    network.to(device, memory_format=_channels_last(network.parameters()))  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=1e-5)
    run = TrainingState(network=network, optimizer=optimizer, average=averaged(network))
    run.notes = {"seed": seed}
    started_from = ""
    if start_from is not None:
        digest = hashlib.sha256(start_from.read_bytes()).hexdigest()
        run.notes[STARTED_FROM] = digest
        started_from = f"started from weights {digest[:16]}"
    if resume:
        restore_state(run, out, device)
    run.notes.setdefault("skipped", 0)
    begin_part(
        run,
        precision_of(device),
        device,
        settings=settings,
        sources=sources,
        started_from=started_from,
    )
    return run


def train_on(
    run: TrainingState,
    batches: Iterable[Batch],
    losses: Callable[[Batch], Losses],
    pace: Pace,
    measured: Callable[[Weights], Mapping[str, float]] | None = None,
) -> None:
    """Train for the given minutes or steps; the learning rate falls as a cosine over them.

    Parameters
    ----------
    measured
        Computes figures of the averaged weights. They are logged as ``held_out`` every
        ``measure_every`` steps and at the end.
    """
    before, first = run.seconds, run.step
    recent: list[dict[str, float]] = []
    started: float | None = None
    for batch in batches:
        started = started or time.monotonic()  # without the preparation of specimens
        elapsed = time.monotonic() - started
        run.seconds = before + elapsed
        share = elapsed / 60 / pace.minutes
        done = (run.step - first) / pace.steps if pace.steps else share
        if done >= 1:
            break
        _set_rate(run, pace.rate * max(LEAST_RATE, 0.5 * (1 + math.cos(math.pi * done))))
        found = losses(batch)
        if step_down(run, found):
            recent.append({name: value.item() for name, value in found.items()})
        if run.step % pace.log_every == 0:
            _log(run, recent, pace, measured)
            recent.clear()
        if run.step % SAVE_EVERY == 0:
            save_state(run, pace.out)
    save_state(run, pace.out)
    if measured is not None:
        log_line(pace.out, step=run.step, held_out=measured(run.average))


def _set_rate(run: TrainingState, rate: float) -> None:
    for group in run.optimizer.param_groups:
        group["lr"] = rate * min(1.0, (run.step + 1) / WARM_STEPS)


def step_down(run: TrainingState, losses: Losses) -> bool:
    """Run one optimiser step. If the gradients are not finite, only count the step as skipped."""
    run.optimizer.zero_grad()
    torch.stack(list(losses.values())).sum().backward()
    steepness = torch.nn.utils.clip_grad_norm_(run.network.parameters(), 1.0)
    run.step += 1
    if not torch.isfinite(steepness):
        run.notes["skipped"] += 1
        return False
    run.optimizer.step()
    decay = min(AVERAGE_DECAY, (run.step + 1) / (run.step + 10))
    for name, value in run.network.state_dict().items():
        run.average[name].lerp_(value.to(run.average[name].dtype), 1 - decay)
    return True


def output_of(run: TrainingState, image: torch.Tensor, device: str) -> torch.Tensor:
    """Run the network in the precision of the run and return its output in single precision.

    The image has its channels last in memory, which is faster.
    """
    image = image.to(device).contiguous(memory_format=_channels_last([image]))
    with autocast(device, run.precision):
        output: torch.Tensor = run.network(image)
    return output.float()


def _channels_last(tensors: Iterable[torch.Tensor]) -> torch.memory_format:
    is_flat = any(one.dim() == 4 for one in tensors)
    return torch.channels_last if is_flat else torch.channels_last_3d


def _log(
    run: TrainingState,
    recent: list[dict[str, float]],
    pace: Pace,
    measured: Callable[[Weights], Mapping[str, float]] | None,
) -> None:
    line: dict[str, object] = {"step": run.step, "minutes": round(run.seconds / 60, 2)}
    for name in recent[0] if recent else ():
        line[name] = round(float(np.mean([one[name] for one in recent])), 4)
    line |= {"skipped": run.notes["skipped"], "precision": run.precision}
    if measured is not None and run.step % pace.measure_every == 0:
        line["held_out"] = measured(run.average)
    log_line(pace.out, **line)
