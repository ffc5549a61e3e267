"""Model cards: description, training data and intended use of each model. Free of torch.

A card is a JSON file beside its weights in ``models/weights``.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from models.errors import DigestMismatch, UnknownModel

WEIGHTS_FOLDER: Final = Path(__file__).parent / "weights"


class Metric(BaseModel):
    """One measured figure: data, metric, value, number of cases."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    on: str
    what: str
    value: float
    n: int


class ModelCard(BaseModel):
    """Description of one network or formula.

    ``sha256`` is that of the weights file; any other content is refused. ``kind``
    decides which module loads it: ``models.registry`` a network, ``models.coefficients`` coefficients,
    ``models.forest`` a random forest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    kind: Literal["network", "coefficients", "forest"] = "network"
    network: str
    file: str
    sha256: str
    task: str
    training_data: str
    training: str
    metrics: tuple[Metric, ...]
    intended_use: str
    limits: str
    licence: str


@cache
def model_cards() -> tuple[ModelCard, ...]:
    """All cards, by name."""
    found = [
        ModelCard.model_validate_json(path.read_text(encoding="utf-8"))
        for path in WEIGHTS_FOLDER.glob("*.json")
        if path.suffixes == [".json"]  # coefficients are NAME.coefficients.json
    ]
    return tuple(sorted(found, key=lambda card: card.name))


def card(name: str) -> ModelCard:
    """Card of one model.

    Raises
    ------
    UnknownModel
        No such card.
    """
    for one in model_cards():
        if one.name == name:
            return one
    known = ", ".join(one.name for one in model_cards())
    raise UnknownModel(f"model {name!r}", f"one of {known}", "")


def checked_content(path: Path, sha256: str) -> bytes:
    """Content of a weights file whose SHA-256 is as stated."""
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DigestMismatch(
            f"{path.name} has digest {found[:16]}...",
            f"{sha256[:16]}... as in its card",
            "restore the file from the release",
        )
    return content
