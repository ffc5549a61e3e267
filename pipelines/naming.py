"""Name vertebrae by two anchors: the sacrum below L5, the last rib at T12."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pipelines.anatomy import Level

RIB_SURE_CM3: Final = 0.4
"""Rib beside a vertebra on both sides that speaks for T12 or higher."""
LUMBAR_COUNT: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class VertebraEvidence:
    """What the image says of one body, without its neighbours.

    Parameters
    ----------
    lumbar
        Share of the body called lumbar, 0 to 1.
    ribs_cm3
        Rib volume beside it, the smaller of both sides.
    height_mm
        Along the spine, from disc to disc.
    """

    lumbar: float
    ribs_cm3: float
    height_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Levels from below, one for each body; ``None`` for what lies outside T1 to L5."""

    levels: tuple[Level | None, ...]
    presumed: bool


def name_vertebrae(evidence: Sequence[VertebraEvidence], *, sacrum_below: bool) -> Names:
    """Name bodies that are given from below.

    The sacrum decides where it is seen; the border between rib-bearing and lumbar bodies decides
    elsewhere. Names are certain only where both are seen and agree on five lumbar vertebrae.
    Bodies that look lumbar with neither anchor in the scan get no name: any would be a guess.
    """
    if not evidence:
        return Names(levels=(), presumed=True)
    border = thoracic_border(evidence)
    seen = 0 < border < len(evidence)
    if sacrum_below:
        lowest = int(Level.L5)
        presumed = not (seen and border == LUMBAR_COUNT)
    elif border == len(evidence):
        return Names(levels=(None,) * len(evidence), presumed=True)
    else:
        lowest = int(Level.T12) + border
        presumed = True
    levels = [lowest - index for index in range(len(evidence))]
    return Names(
        levels=tuple(Level(value) if Level.T1 <= value <= Level.L5 else None for value in levels),
        presumed=presumed,
    )


def thoracic_border(evidence: Sequence[VertebraEvidence]) -> int:
    """How many bodies, from below, are lumbar: the split that the evidence supports best."""
    likely = np.clip([one.lumbar for one in evidence], 0.02, 0.98)
    ribs = np.array([min(one.ribs_cm3 / RIB_SURE_CM3, 2.0) for one in evidence])
    log_lumbar = np.log(likely) - 1.2 * ribs
    log_thoracic = np.log(1 - likely) - np.where(ribs < 0.2, 0.6, 0.0)
    scores = [
        log_lumbar[:count].sum() + log_thoracic[count:].sum() for count in range(len(evidence) + 1)
    ]
    return int(np.argmax(scores))
