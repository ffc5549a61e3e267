"""What a gate answers: nothing, or a concern with its reason and how far it reaches.

Takes  CtVolume
Gives  Concern
Next   pipelines.gates.all_gates
"""

from dataclasses import dataclass
from enum import IntEnum

from pipelines.contract.reasons import Reason


class Reach(IntEnum):
    """How much a concern takes away, from least to most."""

    FLAG = 1
    """Everything is reported, with the reason beside it."""
    WITHHOLD_DENSITY = 2
    """Attenuation is reported, density is not."""
    WITHHOLD_ALL = 3
    """Nothing is reported but the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """One reason for caution."""

    reason: Reason
    reach: Reach
