"""Name vertebrae by two anchors: the sacrum below L5, the last rib at T12.

Every way to count is weighed against every body at once: which vertebra the lowest body is, and
whether the spine has four, five or six lumbar vertebrae.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipelines.anatomy import Level

LUMBAR_COUNT: Final = 5
THORACIC_COUNT: Final = 12
COUNT_PRIOR: Final = {4: 0.025, 5: 0.93, 6: 0.045}
"""How often a spine has so many lumbar vertebrae, near the published share of variants that change
the count (18 % have a transitional vertebra, most of them without another number)."""
L5_WITHOUT_SACRUM: Final = 0.3
"""How often, against any other vertebra, the last lumbar one ends a scan that shows no sacrum."""

RIB_MM: Final = 54.0
RIB_STEP_MM: Final = 6.0
"""Bone that reaches farther from the axis of the spine is a rib: one more unit of log-likelihood
every 6 mm. Transverse processes end at 50 mm at the latest; ribs pass 80 mm in all but stumps."""
NO_RIB, NO_LAST_RIB, SURE_RIB = -2.5, -1.6, 5.0
"""Least log-likelihood of a missing rib at T11 or higher, and at T12, where it may be a stump; and
the most that a rib can say."""
CLASS_RANGE: Final = (0.06, 0.94)
CLASS_WEIGHT: Final = 0.6
"""Of what the network calls a body: T12 and L1 look alike to it."""

NECK: Final = 1.0
"""Cost of a body that would lie above T1, where ribs and shoulders of the chest confuse the count:
the network has not learnt necks, but finds some of their bodies."""
WHOLE_CHEST: Final = 11
"""Bodies that a scan must show for the chest to be counted without the vertebra below it."""

SURE: Final = 0.9
"""Least confidence of names that two anchors agree on."""
WORTH_NAMING: Final = 0.6
"""Least confidence for any name; under it bodies stay unnamed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VertebraEvidence:
    """What the image says of one body, without its neighbours.

    Parameters
    ----------
    lumbar
        Share of the body called lumbar, 0 to 1.
    rib_reach_mm
        How far bone reaches to the sides, from the axis of the spine (`pipelines.ribs`).
    height_mm
        Along the spine, from disc to disc.
    """

    lumbar: float
    rib_reach_mm: float
    height_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Levels from below, one for each body; ``None`` for what lies outside T1 to L5.

    Parameters
    ----------
    presumed
        Names rest on one anchor only, or the anchors disagree.
    confidence
        Probability of the names, by the weights of this module, 0 to 1.
    lumbar_count
        Most probable number of lumbar vertebrae where both anchors are seen, else 5.
    """

    levels: tuple[Level | None, ...]
    presumed: bool
    confidence: float = 0.0
    lumbar_count: int = LUMBAR_COUNT


@dataclass(frozen=True, slots=True, kw_only=True)
class _Count:
    """One way to count: bodies below the lowest one that is seen, and lumbar vertebrae in all."""

    hidden: int
    lumbar: int

    def lowest(self, *, from_sacrum: bool) -> int:
        """Value of ``Level`` of the lowest body, counted from an anchor."""
        top = Level.L5 if from_sacrum else Level.T12 + self.lumbar
        return int(top) - self.hidden


def name_vertebrae(evidence: Sequence[VertebraEvidence], *, sacrum_below: bool) -> Names:
    """Name bodies that are given from below.

    The sacrum decides where it is seen; the border between rib-bearing and bare bodies decides
    elsewhere. Names are certain only where both are seen and agree on five lumbar vertebrae.
    Bodies with neither anchor in the scan get no name: any would be a guess.
    """
    nothing = Names(levels=(None,) * len(evidence), presumed=True)
    if not evidence:
        return nothing
    counts, weights = _weigh(evidence, sacrum_below)
    best = counts[int(np.argmax(weights))]
    lowest = best.lowest(from_sacrum=sacrum_below)
    same = [
        count.lowest(from_sacrum=sacrum_below) == lowest
        and (count.lumbar == best.lumbar or not sacrum_below)
        for count in counts
    ]
    confidence = float(weights[same].sum())
    border = best.lumbar - best.hidden
    ribs_end = 0 < border < len(evidence)
    both = sacrum_below and ribs_end
    all_chest = border <= 0 and len(evidence) >= WHOLE_CHEST
    if not sacrum_below and (confidence < WORTH_NAMING or not (ribs_end or all_chest)):
        return nothing
    levels = [lowest - index for index in range(len(evidence))]
    return Names(
        levels=tuple(Level(value) if Level.T1 <= value <= Level.L5 else None for value in levels),
        presumed=not (both and best.lumbar == LUMBAR_COUNT and confidence >= SURE),
        confidence=confidence,
        lumbar_count=best.lumbar if both else LUMBAR_COUNT,
    )


def _weigh(
    evidence: Sequence[VertebraEvidence], sacrum_below: bool
) -> tuple[list[_Count], NDArray[np.float64]]:
    """All ways to count, and how probable each is."""
    bare, thoracic, last = _log_likelihoods(evidence)
    counts, scores = [], []
    for lumbar, prior in COUNT_PRIOR.items():
        for hidden in range(1 if sacrum_below else lumbar + THORACIC_COUNT):
            place = hidden + np.arange(len(evidence))
            each = np.where(place < lumbar, bare, thoracic)
            each = np.where(place == lumbar, last, each)
            each = np.where(place < lumbar + THORACIC_COUNT, each, np.maximum(bare, each) - NECK)
            counts.append(_Count(hidden=hidden, lumbar=lumbar))
            scores.append(
                each.sum() + np.log(prior if hidden or sacrum_below else prior * L5_WITHOUT_SACRUM)
            )
    weights = np.exp(np.array(scores) - max(scores))
    return counts, weights / weights.sum()


def _log_likelihoods(
    evidence: Sequence[VertebraEvidence],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Of every body: as one without ribs, as one with ribs, as T12 whose ribs may be stumps."""
    reach = (np.array([one.rib_reach_mm for one in evidence]) - RIB_MM) / RIB_STEP_MM
    lumbar = np.clip([one.lumbar for one in evidence], *CLASS_RANGE)
    bare = CLASS_WEIGHT * np.log(lumbar)
    thoracic = CLASS_WEIGHT * np.log(1 - lumbar)
    ribbed = thoracic + np.clip(reach, NO_RIB, SURE_RIB)
    last = thoracic + np.clip(reach, NO_LAST_RIB, SURE_RIB)
    return bare, ribbed, last
