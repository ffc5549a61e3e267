"""Load models that are a formula: coefficients in a JSON file with the digest of its card.

Takes  card
Gives  LinearModel
Next   nothing

Free of torch and of pickle.
"""

import math
from collections.abc import Mapping
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from models.cards import WEIGHTS_FOLDER, card, checked_content
from models.errors import UnknownModel


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Term(_Part):
    """One input: ``coefficient * (value - centre) / scale``."""

    name: str
    unit: str = Field(description="UCUM")
    coefficient: float
    centre: float = 0.0
    scale: float = Field(default=1.0, gt=0)


class LinearModel(_Part):
    """A weighted sum of named inputs, through a link."""

    outcome: str = Field(description="What the value means, and what it does not")
    link: Literal["identity", "logit"]
    intercept: float
    terms: tuple[Term, ...]

    def contributions(self, values: Mapping[str, float]) -> dict[str, float]:
        """What each input adds to the sum.

        Raises
        ------
        KeyError
            An input is missing: there are no defaults.
        """
        return {
            term.name: term.coefficient * (values[term.name] - term.centre) / term.scale
            for term in self.terms
        }

    def value(self, values: Mapping[str, float]) -> float:
        """The sum (identity), or 1 / (1 + exp(-sum)) (logit)."""
        total = self.intercept + math.fsum(self.contributions(values).values())
        if self.link == "identity":
            return total
        # Both forms are the same; each stays in range on its own side.
        return 1 / (1 + math.exp(-total)) if total >= 0 else math.exp(total) / (1 + math.exp(total))

    def slope(self, name: str, values: Mapping[str, float]) -> float:
        """Change of the value with one input, at these values."""
        (term,) = (one for one in self.terms if one.name == name)
        direct = term.coefficient / term.scale
        if self.link == "identity":
            return direct
        at = self.value(values)
        return direct * at * (1 - at)


@cache
def linear_model(name: str) -> LinearModel:
    """Model of that name.

    Raises
    ------
    UnknownModel
        No such card, or the card of a network.
    DigestMismatch
        The file is not the one that the card describes.
    """
    described = card(name)
    if described.kind != "coefficients":
        raise UnknownModel(f"model {name!r} is a {described.kind}", "coefficients", "")
    content = checked_content(WEIGHTS_FOLDER / described.file, described.sha256)
    return LinearModel.model_validate_json(content)
