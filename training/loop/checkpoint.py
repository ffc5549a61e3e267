"""Save and restore a training run as safetensors and JSON, without pickle."""

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
"""Key in the notes: SHA-256 of the weights file that the run started from."""

MOMENTS: Final = {"m": "exp_avg", "v": "exp_avg_sq"}
"""Adam's state of a parameter, by the prefix of its tensors in the checkpoint."""


@dataclass(slots=True)
class TrainingState:
    """Network, Adam optimiser and progress of a run.

    Parameters
    ----------
    average
        Moving average of the weights. If it is not empty, ``weights.safetensors`` holds it instead
        of the network's weights.
    notes
        Further values to keep between parts of a run; must be JSON.
    precision
        Precision of the forward pass on the present processor.
    parts
        Records of all parts of the run so far, the present one last.
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
    """Start a moving average: a copy of the network's weights."""
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def save_state(state: TrainingState, folder: Path) -> None:
    """Write all files of the run; each replaces the earlier one in one step."""
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
    """Update step and duration in the record of the present part."""
    before = sum(part.seconds for part in state.parts[:-1])
    now = {"last_step": state.step, "seconds": round(state.seconds - before, 1)}
    state.parts[-1] = state.parts[-1].model_copy(update=now)


def restore_state(state: TrainingState, folder: Path, device: str) -> bool:
    """Load the run of a folder into ``state``; return ``False`` if the folder holds none."""
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
    """Append the record of a new part of the run. Call it after `restore_state`.

    Parameters
    ----------
    sources
        Training data of this part.
    started_from
        Description of the initial weights of a new run; ignored for a resumed run.
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
    """Append one JSON line to the run's log."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOG).open("a", encoding="utf-8") as log:
        log.write(json.dumps(values) + "\n")
