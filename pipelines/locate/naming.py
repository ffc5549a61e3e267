"""Name vertebrae by two anchors: the sacrum below L5, the last rib at T12.

Each hypothesis sets which vertebra the lowest body is, and whether the spine has four, five or six
lumbar vertebrae. Its probability follows from the evidence of all bodies together.
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
"""Prior probability of each number of lumbar vertebrae, near the published share of variants that change
the count (18 % have a transitional vertebra; in most of them the count stays five)."""
L5_WITHOUT_SACRUM: Final = 0.3
"""Relative prior that a scan without sacrum ends at the last lumbar vertebra; 1 for any other one."""

RIB_MM: Final = 54.0
RIB_STEP_MM: Final = 6.0
"""Bone that reaches farther from the axis of the spine is a rib, with one unit of log-likelihood more
every 6 mm. Transverse processes reach 50 mm at most; ribs reach beyond 80 mm unless they are stumps."""
NO_RIB, NO_LAST_RIB, SURE_RIB = -2.5, -1.6, 5.0
"""Bounds of the log-likelihood: lower for a missing rib at T3 to T11 and at T12 (where it may be a stump),
and upper for a rib."""
NO_FIRST_RIB, NO_SECOND_RIB, FIRST_RIB = -0.3, -1.0, 2.0
"""Lower bounds for a missing first and second rib, and the upper bound for a first rib. The first rib turns
forward at once and is rarely followed (2 of 12 virtual chests), the second not always (8 of 12); T1 may be
assigned the second one."""
CLASS_RANGE: Final = (0.06, 0.94)
CLASS_WEIGHT, NEAR_WEIGHT = 1.2, 0.6
"""Weights of the predicted class: of most bodies, and of T12 and L1, which resemble each other."""

LOOKS_LUMBAR: Final = 0.5
"""Share predicted as lumbar that at least one body below the ribs must have."""

LEAST_GROWTH: Final = 1.1
"""Lumbar over thoracic height from disc to disc; about a quarter more is usual."""

NECK: Final = 0.5
"""Log-likelihood penalty per body above T1, of which a chest CT contains none to three. Lateral bone there
is ignored, because it may be the shoulder."""
ENDS_ABOVE_T12: Final = 0.35
"""Relative prior that a scan ends above T12: a chest CT normally includes the adrenal glands."""
WHOLE_CHEST: Final = 11
"""Bodies that a scan without lumbar vertebrae must contain for its thoracic ones to be named."""

SURE: Final = 0.9
"""Least confidence of names that two anchors agree on."""
WORTH_NAMING: Final = 0.5
"""Least confidence for any name. Below it the names are more often wrong than right, and bodies stay
unnamed. Names between this value and ``SURE`` are presumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VertebraEvidence:
    """Evidence of the image for one body, without its neighbours.

    Parameters
    ----------
    lumbar
        Share of the body that is predicted as lumbar, 0 to 1.
    rib_reach_mm
        Lateral distance that bone reaches from the axis of the spine (`pipelines.locate.ribs`).
    height_mm
        Along the spine, from disc to disc.
    rib_in_view
        Whether the scan extends far enough below: ribs descend, and a rib below the scan is not missing.
    """

    lumbar: float
    rib_reach_mm: float
    height_mm: float
    rib_in_view: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Levels from below, one for each body; ``None`` for bodies outside T1 to L5.

    Parameters
    ----------
    presumed
        Names depend on one anchor only, or the anchors disagree.
    confidence
        Probability of the names under the model of this module, 0 to 1.
    lumbar_count
        Most probable number of lumbar vertebrae where both anchors are in the scan, else 5.
    """

    levels: tuple[Level | None, ...]
    presumed: bool
    confidence: float = 0.0
    lumbar_count: int = LUMBAR_COUNT


@dataclass(frozen=True, slots=True, kw_only=True)
class _Count:
    """One hypothesis: vertebrae below the lowest body of the scan, and lumbar vertebrae in all."""

    hidden: int
    lumbar: int

    def lowest(self, *, from_sacrum: bool) -> int:
        """Value of ``Level`` of the lowest body, counted from an anchor."""
        top = Level.L5 if from_sacrum else Level.T12 + self.lumbar
        return int(top) - self.hidden


def name_vertebrae(evidence: Sequence[VertebraEvidence], *, sacrum_below: bool) -> Names:
    """Name bodies, which are in order from below.

    The sacrum decides where it is in the scan; elsewhere the border between bodies with and without
    ribs decides. Names are certain only where both anchors are in the scan and agree on five lumbar
    vertebrae. With neither anchor, bodies get no name.
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
    """Whether the bodies without ribs include a lumbar one: a narrow field of view cuts ribs off as well."""
    return max(one.lumbar for one in bare) > LOOKS_LUMBAR


def _last_rib_is_plain(evidence: Sequence[VertebraEvidence], border: int) -> bool:
    """Whether T12 has a full rib and L1 none; otherwise the anatomy may be a variant."""
    return evidence[border].rib_reach_mm > RIB_MM > evidence[border - 1].rib_reach_mm


def _is_cut_wrongly(evidence: Sequence[VertebraEvidence]) -> bool:
    """Whether the column was cut into too many bodies, as in thick slices, which blur the discs.

    The signs are more bodies without ribs than a sixth lumbar vertebra and a stump as last rib explain,
    and lumbar bodies hardly higher than thoracic ones.
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
    """All hypotheses and their probabilities."""
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
    """Relative prior that a scan ends below this vertebra."""
    if not hidden and not sacrum_below:
        return L5_WITHOUT_SACRUM
    return ENDS_ABOVE_T12 if hidden > lumbar else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _LogLikelihoods:
    """Log-likelihood of every body, from below, for each kind of vertebra: (bodies,) each."""

    bare: NDArray[np.float64]
    highest_bare: NDArray[np.float64]
    last: NDArray[np.float64]
    ribbed: NDArray[np.float64]
    second: NDArray[np.float64]
    first: NDArray[np.float64]
    neck: NDArray[np.float64]

    def of(self, place: NDArray[np.int_], lumbar: int) -> NDArray[np.float64]:
        """Log-likelihood of each body at its place, counted from the lowest vertebra of a spine."""
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
    # No body above a thoracic one is lumbar; the network predicts lumbar in some necks.
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
