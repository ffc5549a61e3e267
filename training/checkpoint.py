"""A training run that can be stopped and resumed: tensors and JSON, nothing pickled."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file, save_file
from torch import nn

CHECKPOINT: Final = "checkpoint.safetensors"
WEIGHTS: Final = "weights.safetensors"
STATE: Final = "state.json"
LOG: Final = "log.jsonl"


@dataclass(slots=True)
class TrainingState:
    """Network, optimiser and how far the run is.

    Parameters
    ----------
    notes
        What else the run must remember, as JSON.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    notes: dict[str, Any] = field(default_factory=dict)


def save_state(state: TrainingState, folder: Path) -> None:
    """Write the run; files are replaced whole."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.contiguous() for name, value in state.network.state_dict().items()}
    tensors = {f"network.{name}": value for name, value in weights.items()}
    for name, parameter in state.network.named_parameters():
        for key, value in state.optimizer.state.get(parameter, {}).items():
            if torch.is_tensor(value):
                tensors[f"optimizer.{key}.{name}"] = value.contiguous()
    for file, content in ((CHECKPOINT, tensors), (WEIGHTS, weights)):
        new = folder / f"{file}.new"
        save_file(content, new)
        new.replace(folder / file)
    text = json.dumps(
        {"epoch": state.epoch, "step": state.step, "seconds": state.seconds, "notes": state.notes}
    )
    new = folder / f"{STATE}.new"
    new.write_text(text + "\n", encoding="utf-8")
    new.replace(folder / STATE)


def restore_state(state: TrainingState, folder: Path, device: str) -> bool:
    """Take up the run in a folder; ``False`` where there is none."""
    if not (folder / STATE).exists():
        return False
    tensors = load_file(folder / CHECKPOINT, device=device)
    state.network.load_state_dict(
        {k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")}
    )
    parameters = dict(state.network.named_parameters())
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, slot, name = key.split(".", 2)
            state.optimizer.state[parameters[name]][slot] = value
    told = json.loads((folder / STATE).read_text(encoding="utf-8"))
    state.epoch, state.step, state.seconds = told["epoch"], told["step"], told["seconds"]
    state.notes = told["notes"]
    return True


def log_line(folder: Path, **values: object) -> None:
    """Add a line to the run's log."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOG).open("a", encoding="utf-8") as log:
        log.write(json.dumps(values) + "\n")
