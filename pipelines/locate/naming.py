"""Name vertebrae by two anchors: the sacrum below L5, the last rib at T12.

Every way to count is weighed against every body at once: which vertebra the lowest body is, and
whether the spine has four, five or six lumbar vertebrae.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipelines.contract.anatomy import Level

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
"""Least log-likelihood of a missing rib at T3 to T11, and at T12, where it may be a stump; and
the most that a rib can say."""
NO_FIRST_RIB, NO_SECOND_RIB, FIRST_RIB = -0.3, -1.0, 2.0
"""The first rib turns forward at once and is rarely followed, the second not always (of 12 virtual
chests 2 and 8); and the most that a first rib can say: T1 may get the second one."""
CLASS_RANGE: Final = (0.06, 0.94)
CLASS_WEIGHT, NEAR_WEIGHT = 1.2, 0.6
"""Of what the network calls a body, and of what it calls T12 and L1, which look alike to it."""

LOOKS_LUMBAR: Final = 0.5
"""Share of a body called lumbar that at least one body below the ribs must have."""

LEAST_GROWTH: Final = 1.1
"""Lumbar over thoracic height from disc to disc; about a quarter more is usual."""

NECK: Final = 0.5
"""Cost of a body that would lie above T1: a chest shows none to three of them. Bone beside it may be a
shoulder and says nothing."""
ENDS_ABOVE_T12: Final = 0.35
"""How often a scan ends above T12, against lower: a chest CT is to show the adrenal glands."""
WHOLE_CHEST: Final = 11
"""Bodies that a scan must show for the chest to be counted without the vertebra below it."""

SURE: Final = 0.9
"""Least confidence of names that two anchors agree on."""
WORTH_NAMING: Final = 0.5
"""Least confidence for any name; under it the names are likelier wrong than right, and bodies stay
unnamed. Names between this and ``SURE`` are presumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VertebraEvidence:
    """What the image says of one body, without its neighbours.

    Parameters
    ----------
    lumbar
        Share of the body called lumbar, 0 to 1.
    rib_reach_mm
        How far bone reaches to the sides, from the axis of the spine (`pipelines.locate.ribs`).
    height_mm
        Along the spine, from disc to disc.
    rib_in_view
        Whether the scan goes far enough down for a rib of this body, which descends, to be missed.
    """

    lumbar: float
    rib_reach_mm: float
    height_mm: float
    rib_in_view: bool = True


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
    ribs_end = 0 < border < len(evidence) and _some_look_lumbar(evidence[:border])
    both = sacrum_below and ribs_end
    all_chest = border <= 0 and len(evidence) >= WHOLE_CHEST
    if not sacrum_below and (confidence < WORTH_NAMING or not (ribs_end or all_chest)):
        return nothing
    if sacrum_below and _is_cut_wrongly(evidence):
        return nothing
    levels = [lowest - index for index in range(len(evidence))]
    certain = both and best.lumbar == LUMBAR_COUNT and confidence >= SURE
    return Names(
        levels=tuple(Level(value) if Level.T1 <= value <= Level.L5 else None for value in levels),
        presumed=not (certain and _last_rib_is_plain(evidence, border)),
        confidence=confidence,
        lumbar_count=best.lumbar if both else LUMBAR_COUNT,
    )


def _some_look_lumbar(bare: Sequence[VertebraEvidence]) -> bool:
    """In a narrow field of view, as of the heart, ribs are missed: that alone is no lumbar spine."""
    return max(one.lumbar for one in bare) > LOOKS_LUMBAR


def _last_rib_is_plain(evidence: Sequence[VertebraEvidence], border: int) -> bool:
    """Whether T12 bears a rib that is no stump, and L1 none: else it may be a variant."""
    return evidence[border].rib_reach_mm > RIB_MM > evidence[border - 1].rib_reach_mm


def _is_cut_wrongly(evidence: Sequence[VertebraEvidence]) -> bool:
    """Whether the column was cut into too many bodies, as where thick slices blur the discs.

    Then there are more bodies without ribs than a sixth lumbar vertebra and a stump for a last rib
    explain, and these, which are the highest of a spine, come out hardly higher than those above.
    """
    ribs = [index for index, one in enumerate(evidence) if one.rib_reach_mm > RIB_MM]
    if not ribs or ribs[0] <= LUMBAR_COUNT + 1:
        return False
    above = evidence[ribs[0] : ribs[0] + LUMBAR_COUNT]
    return _usual_height(evidence[:LUMBAR_COUNT]) < LEAST_GROWTH * _usual_height(above)


def _usual_height(bodies: Sequence[VertebraEvidence]) -> float:
    return float(np.median([one.height_mm for one in bodies]))


def _weigh(
    evidence: Sequence[VertebraEvidence], sacrum_below: bool
) -> tuple[list[_Count], NDArray[np.float64]]:
    """All ways to count, and how probable each is."""
    likelihoods = _log_likelihoods(evidence)
    counts, scores = [], []
    for lumbar, prior in COUNT_PRIOR.items():
        for hidden in range(1 if sacrum_below else lumbar + THORACIC_COUNT):
            place = hidden + np.arange(len(evidence))
            counts.append(_Count(hidden=hidden, lumbar=lumbar))
            scores.append(
                likelihoods.of(place, lumbar).sum()
                + np.log(prior * _end_prior(hidden, lumbar, sacrum_below=sacrum_below))
            )
    weights = np.exp(np.array(scores) - max(scores))
    return counts, weights / weights.sum()


def _end_prior(hidden: int, lumbar: int, *, sacrum_below: bool) -> float:
    """How often a scan ends below this vertebra, against any other."""
    if not hidden and not sacrum_below:
        return L5_WITHOUT_SACRUM
    return ENDS_ABOVE_T12 if hidden > lumbar else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _LogLikelihoods:
    """Of every body, from below, as a vertebra of each kind: (bodies,) each."""

    bare: NDArray[np.float64]
    highest_bare: NDArray[np.float64]
    last: NDArray[np.float64]
    ribbed: NDArray[np.float64]
    second: NDArray[np.float64]
    first: NDArray[np.float64]
    neck: NDArray[np.float64]

    def of(self, place: NDArray[np.int_], lumbar: int) -> NDArray[np.float64]:
        """Each body at its place, counted from the lowest vertebra of a spine."""
        first = lumbar + THORACIC_COUNT - 1
        kinds = {
            "bare": place < lumbar - 1,
            "highest_bare": place == lumbar - 1,
            "last": place == lumbar,
            "second": place == first - 1,
            "first": place == first,
            "neck": place > first,
        }
        values = [getattr(self, kind) for kind in kinds]
        return np.select(list(kinds.values()), values, default=self.ribbed)


def _log_likelihoods(evidence: Sequence[VertebraEvidence]) -> _LogLikelihoods:
    reach = (np.array([one.rib_reach_mm for one in evidence]) - RIB_MM) / RIB_STEP_MM
    reach = np.where([one.rib_in_view for one in evidence], reach, np.maximum(reach, 0))
    # Nothing above a thoracic body is lumbar, whatever the network calls a neck.
    called = np.minimum.accumulate([one.lumbar for one in evidence])
    lumbar = np.clip(called, *CLASS_RANGE)
    thoracic = CLASS_WEIGHT * np.log(1 - lumbar)
    return _LogLikelihoods(
        bare=CLASS_WEIGHT * np.log(lumbar),
        highest_bare=NEAR_WEIGHT * np.log(lumbar),
        last=NEAR_WEIGHT * np.log(1 - lumbar) + np.clip(reach, NO_LAST_RIB, SURE_RIB),
        ribbed=thoracic + np.clip(reach, NO_RIB, SURE_RIB),
        second=thoracic + np.clip(reach, NO_SECOND_RIB, SURE_RIB),
        first=thoracic + np.clip(reach, NO_FIRST_RIB, FIRST_RIB),
        neck=thoracic - NECK,
    )
