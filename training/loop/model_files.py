"""A model file and its card, digest included: the one way in which models are written.

Takes  weights of a training run, or the content of a file
Gives  ModelCard
Next   models.registry
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save

from models.cards import WEIGHTS_FOLDER, ModelCard
from training.loop.checkpoint import STARTED_FROM, STATE, WEIGHTS


def write_model(folder: Path, content: bytes, **description: Any) -> ModelCard:
    """Write a model file and its card.

    Parameters
    ----------
    description
        The fields of `ModelCard` but the digest.
    """
    card = ModelCard(sha256=hashlib.sha256(content).hexdigest(), **description)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / card.file).write_bytes(content)
    text = card.model_dump_json(indent=2) + "\n"
    (folder / f"{card.name}.json").write_text(text, encoding="utf-8")
    return card


def half_precision(run: Path) -> bytes:
    """Weights of a run as safetensors; floating-point numbers in 16 bits, counters as they are."""
    return save(
        {
            name: value.to(torch.float16).contiguous() if value.is_floating_point() else value
            for name, value in load_file(run / WEIGHTS).items()
        }
    )


def write_network(
    run: Path, *, name: str, folder: Path = WEIGHTS_FOLDER, **description: Any
) -> ModelCard:
    """Write the weights of a run and their card; further fields as in `write_model`."""
    content = half_precision(run)
    return write_model(folder, content, name=name, file=f"{name}.safetensors", **description)


def state_of(run: Path) -> dict[str, Any]:
    """How far a run is: ``step``, ``seconds`` (`training.loop.checkpoint`)."""
    found: dict[str, Any] = json.loads((run / STATE).read_text(encoding="utf-8"))
    return found


def trained_before(name: str, state: dict[str, Any], folder: Path = WEIGHTS_FOLDER) -> str:
    """How the weights that a run started from were trained, for its card; empty for a fresh run.

    Parameters
    ----------
    folder
        Holds the card of the earlier version, which is about to be replaced.

    Raises
    ------
    ValueError
        The run started from other weights than those of that card.
    """
    digest = state["notes"].get(STARTED_FROM)
    if digest is None:
        return ""
    earlier = ModelCard.model_validate_json((folder / f"{name}.json").read_text(encoding="utf-8"))
    if earlier.sha256 != digest:
        raise ValueError(f"started from {digest[:16]}, but {name} is {earlier.sha256[:16]}")
    return f"; before that version {earlier.version}: {earlier.training}"
