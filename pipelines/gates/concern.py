"""Types of a gate: it takes a `Scan` and returns a `Concern` (reason and reach) or ``None``.

Takes  CtVolume
Gives  Scan, Concern
Next   pipelines.gates.all_gates
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from pipelines.contract.findings import ContrastPhase
from pipelines.contract.reasons import Reason
from pipelines.read.volume import CtVolume


class Reach(IntEnum):
    """How much a concern withholds, from least to most."""

    FLAG = 1
    """Everything is reported, with the reason beside it."""
    WITHHOLD_DENSITY = 2
    """Attenuation is reported, density is not."""
    WITHHOLD_ALL = 3
    """Only the reason is reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """One reason for caution."""

    reason: Reason
    reach: Reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """Input of a gate; all gates have the signature of `Gate`.

    Parameters
    ----------
    phase
        Contrast phase; only gates of the image and of the density may use it.
    is_calibrated
        Whether the density table has an entry for this scanner, tube voltage and kernel family;
        only gates of the density may use it.
    """

    ct: CtVolume
    phase: ContrastPhase = ContrastPhase.UNKNOWN
    is_calibrated: bool = False


Gate = Callable[[Scan], Concern | None]
