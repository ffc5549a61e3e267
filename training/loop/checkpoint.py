"""A training run that can be stopped and resumed: tensors and JSON, nothing pickled."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from training.loop.about import Part, Setting, Source, device_words, read_about, write_about
from training.loop.precision import Precision

CHECKPOINT: Final = "checkpoint.safetensors"
WEIGHTS: Final = "weights.safetensors"
STATE: Final = "state.json"
LOG: Final = "log.jsonl"
STARTED_FROM: Final = "started_from"
"""Note: SHA-256 of the weights file that a run began with."""


MOMENTS: Final = {"m": "exp_avg", "v": "exp_avg_sq"}
"""Adam's state of a parameter, by the letter that marks it in the file."""


@dataclass(slots=True)
class TrainingState:
    """Network, Adam optimiser and how far the run is.

    Parameters
    ----------
    average
        Moving average of the weights; then it, not the network, is what is written as weights.
    notes
        What else the run must remember, as JSON.
    precision
        Of the forward pass, on the processor that runs it now.
    parts
        Record of the stretches that the run had so far, the present one last.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    average: dict[str, torch.Tensor] = field(default_factory=dict)
    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    notes: dict[str, Any] = field(default_factory=dict)
    precision: Precision = Precision.SINGLE
    parts: list[Part] = field(default_factory=list)


def averaged(network: nn.Module) -> dict[str, torch.Tensor]:
    """A moving average that starts at the network's weights."""
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def save_state(state: TrainingState, folder: Path) -> None:
    """Write the run; files are replaced whole."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = state.network.state_dict()
    tensors = {f"n.{name}": value for name, value in weights.items()}
    tensors |= {f"a.{name}": value for name, value in state.average.items()}
    for name, parameter in state.network.named_parameters():
        moments = state.optimizer.state.get(parameter)
        if moments:
            tensors |= {f"{mark}.{name}": moments[key] for mark, key in MOMENTS.items()}
    for file, content in ((CHECKPOINT, tensors), (WEIGHTS, state.average or weights)):
        new = folder / f"{file}.new"
        save_file({name: value.contiguous() for name, value in content.items()}, new)
        new.replace(folder / file)
    text = json.dumps(
        {"epoch": state.epoch, "step": state.step, "seconds": state.seconds, "notes": state.notes}
    )
    new = folder / f"{STATE}.new"
    new.write_text(text + "\n", encoding="utf-8")
    new.replace(folder / STATE)
    if state.parts:
        _extend_part(state)
        write_about(state.parts, folder)


def _extend_part(state: TrainingState) -> None:
    """Bring the record of the present part up to the step that the run is at."""
    before = sum(part.seconds for part in state.parts[:-1])
    now = {"last_step": state.step, "seconds": round(state.seconds - before, 1)}
    state.parts[-1] = state.parts[-1].model_copy(update=now)


def restore_state(state: TrainingState, folder: Path, device: str) -> bool:
    """Take up the run in a folder; ``False`` where there is none."""
    if not (folder / STATE).exists():
        return False
    tensors = load_file(folder / CHECKPOINT, device=device)
    stored = json.loads((folder / STATE).read_text(encoding="utf-8"))
    state.parts = list(read_about(folder, stored).parts)
    state.network.load_state_dict(_marked(tensors, "n"))
    state.average = _marked(tensors, "a")
    state.epoch, state.notes = stored.get("epoch", 0), stored.get("notes", {})
    state.step, state.seconds = stored["step"], stored["seconds"]
    for name, parameter in state.network.named_parameters():
        if f"m.{name}" in tensors:
            moments = {key: tensors[f"{mark}.{name}"] for mark, key in MOMENTS.items()}
            state.optimizer.state[parameter] = {"step": torch.tensor(float(state.step)), **moments}
    return True


def begin_part(
    state: TrainingState,
    precision: Precision,
    device: str,
    *,
    settings: Mapping[str, Setting] = MappingProxyType({}),
    sources: Sequence[Source] = (),
    started_from: str = "",
) -> None:
    """Record what the run goes on with from here; call it after `restore_state`.

    Parameters
    ----------
    sources
        Training data of this part.
    started_from
        Weights of another run that a fresh run begins with, in words.
    """
    state.precision = precision
    state.parts.append(
        Part(
            first_step=state.step,
            last_step=state.step,
            seconds=0.0,
            device=device_words(device),
            threads=torch.get_num_threads(),
            precision=precision,
            settings=dict(settings),
            sources=tuple(sources),
            started_from="" if state.step else started_from,
        )
    )


def _marked(tensors: dict[str, torch.Tensor], mark: str) -> dict[str, torch.Tensor]:
    return {name[2:]: value for name, value in tensors.items() if name.startswith(f"{mark}.")}


def log_line(folder: Path, **values: object) -> None:
    """Add a line to the run's log."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOG).open("a", encoding="utf-8") as log:
        log.write(json.dumps(values) + "\n")
