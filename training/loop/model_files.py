"""Write model files and their cards, digest included. All exporters use this module."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save

from models.cards import WEIGHTS_FOLDER, ModelCard
from training.loop.about import read_about
from training.loop.checkpoint import STARTED_FROM, STATE, WEIGHTS


def write_model(folder: Path, content: bytes, **description: Any) -> ModelCard:
    """Write a model file and its card.

    Parameters
    ----------
    description
        The fields of `ModelCard` without the digest.
    """
    card = ModelCard(sha256=hashlib.sha256(content).hexdigest(), **description)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / card.file).write_bytes(content)
    text = card.model_dump_json(indent=2) + "\n"
    (folder / f"{card.name}.json").write_text(text, encoding="utf-8")
    return card


def half_precision(run: Path) -> bytes:
    """Weights of a run as safetensors: floating-point tensors in 16 bits, integers unchanged."""
    return save(
        {
            name: value.to(torch.float16).contiguous() if value.is_floating_point() else value
            for name, value in load_file(run / WEIGHTS).items()
        }
    )


def write_network(
    run: Path,
    *,
    name: str,
    recipe: str,
    folder: Path = WEIGHTS_FOLDER,
    **description: Any,
) -> ModelCard:
    """Write the weights of a run and their card.

    Parameters
    ----------
    recipe
        Loss, optimiser and command of the trainer. Data, steps, device, precision, duration and
        settings come from the record of the run (`training.loop.about`).
    description
        Further fields as in `write_model`.
    """
    state = state_of(run)
    about = read_about(run, state)
    before = trained_before(name, state, folder)
    return write_model(
        folder,
        half_precision(run),
        name=name,
        network=name,
        file=f"{name}.safetensors",
        training_data=about.data_text(),
        training=f"{state['step']} steps of {recipe}; {about.training_text()}{before}",
        **description,
    )


def state_of(run: Path) -> dict[str, Any]:
    """Content of ``state.json`` of a run: ``step``, ``seconds`` (`training.loop.checkpoint`)."""
    found: dict[str, Any] = json.loads((run / STATE).read_text(encoding="utf-8"))
    return found


def trained_before(name: str, state: dict[str, Any], folder: Path = WEIGHTS_FOLDER) -> str:
    """Training of the weights that a run started from, for its card; empty if they were random.

    Parameters
    ----------
    folder
        Folder with the card of the earlier version, before the new card replaces it.

    Raises
    ------
    ValueError
        The run started from weights that differ from those of that card.
    """
    digest = state["notes"].get(STARTED_FROM)
    if digest is None:
        return ""
    earlier = ModelCard.model_validate_json((folder / f"{name}.json").read_text(encoding="utf-8"))
    if earlier.sha256 != digest:
        raise ValueError(
            f"the run started from weights {digest[:16]}, but {name} has {earlier.sha256[:16]}"
        )
    return f"; before that version {earlier.version}: {earlier.training}"
