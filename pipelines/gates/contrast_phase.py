"""Determine the contrast phase of a scan from the header, the vessels and the kidneys.

Takes  CtVolume, Segmentation
Gives  ContrastPhase
Next   pipelines.gates.contrast
"""

from typing import Final

from pipelines.contract.findings import ContrastPhase
from pipelines.gates.vessels import Perfusion, perfusion
from pipelines.read.volume import CtVolume, Segmentation

NO_AGENT: Final = frozenset({"NONE", "NO", "N", "NO CONTRAST", "WITHOUT", "UNENHANCED", "0"})

UNENHANCED_BLOOD_HU: Final = 90.0
"""Blood without contrast has 30 to 60 HU, in the portal venous phase 140 to 170 HU."""
ENHANCED_KIDNEY_HU: Final = 110.0
"""Kidneys without contrast have 30 to 45 HU, from 25 s after an injection 120 to 200 HU."""
ARTERIAL_AORTA_HU: Final = 180.0
ARTERIAL_LEAD_HU: Final = 60.0
"""Least difference between aorta and vena cava in the arterial phase."""
DELAYED_AORTA_HU: Final = 110.0
"""Minutes after an injection the blood has lost its contrast and the kidneys have not."""


def contrast_phase(ct: CtVolume, segmentation: Segmentation) -> ContrastPhase:
    """Return the phase; a header without an agent does not prove that none was given."""
    agent = ct.header.contrast_agent
    is_named = agent is not None and agent.upper() not in NO_AGENT
    return phase_of(perfusion(ct, segmentation), is_named=is_named)


def phase_of(seen: Perfusion, *, is_named: bool) -> ContrastPhase:
    """Return the phase of a scan from its attenuation and its header.

    Parameters
    ----------
    is_named
        Whether the header names an injection.

    Source
    ------
    Arterial aorta 250 to 350 HU, portal venous blood 140 to 170 HU.
    """
    if seen.brightest is None or seen.aorta is None:
        return ContrastPhase.UNKNOWN
    shows_kidney = seen.kidney is not None and seen.kidney >= ENHANCED_KIDNEY_HU
    if seen.brightest < UNENHANCED_BLOOD_HU:
        if not is_named:
            return ContrastPhase.NONE
        return ContrastPhase.DELAYED if shows_kidney else ContrastPhase.UNKNOWN
    if seen.aorta < UNENHANCED_BLOOD_HU:
        # Bowel with oral contrast or a plaque is bright, but the aorta is not.
        return ContrastPhase.UNKNOWN
    cava = seen.cava if seen.cava is not None else 0.0
    if seen.aorta >= ARTERIAL_AORTA_HU and seen.aorta - cava >= ARTERIAL_LEAD_HU:
        return ContrastPhase.ARTERIAL
    if seen.aorta < DELAYED_AORTA_HU:
        return ContrastPhase.DELAYED if shows_kidney else ContrastPhase.UNKNOWN
    return ContrastPhase.PORTAL_VENOUS
