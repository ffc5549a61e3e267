"""Describe the models that were used, as the reports list them."""

from models.cards import card
from pipelines.contract.findings import ModelUse


def models_used(*names: str) -> tuple[ModelUse, ...]:
    """Name, version and weights digest of each model by its card.

    Raises
    ------
    UnknownModel
        There is no such card.
    """
    cards = [card(name) for name in names]
    return tuple(ModelUse(name=one.name, version=one.version, digest=one.sha256) for one in cards)
