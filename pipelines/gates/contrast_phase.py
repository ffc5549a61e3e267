"""Contrast phase of a scan, from what the header names and from how bright vessels and kidneys are.

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
"""Blood without contrast reads 30 to 60 HU, in the portal venous phase 140 to 170 HU."""
ENHANCED_KIDNEY_HU: Final = 110.0
"""Kidneys without contrast read 30 to 45 HU, from 25 s after an injection 120 to 200 HU."""
ARTERIAL_AORTA_HU: Final = 180.0
ARTERIAL_LEAD_HU: Final = 60.0
"""In the arterial phase the aorta is that much brighter than the vena cava."""
DELAYED_AORTA_HU: Final = 110.0
"""Minutes after an injection blood has faded, but the kidneys have not."""


def contrast_phase(ct: CtVolume, segmentation: Segmentation) -> ContrastPhase:
    """Decide on the phase; headers forget contrast, so silence is no proof of its absence."""
    agent = ct.header.contrast_agent
    is_named = agent is not None and agent.upper() not in NO_AGENT
    return phase_of(perfusion(ct, segmentation), is_named=is_named)


def phase_of(seen: Perfusion, *, is_named: bool) -> ContrastPhase:
    """Phase of a scan.

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
        # Something is bright, but not the aorta: bowel with oral contrast, or a plaque.
        return ContrastPhase.UNKNOWN
    cava = seen.cava if seen.cava is not None else 0.0
    if seen.aorta >= ARTERIAL_AORTA_HU and seen.aorta - cava >= ARTERIAL_LEAD_HU:
        return ContrastPhase.ARTERIAL
    if seen.aorta < DELAYED_AORTA_HU:
        return ContrastPhase.DELAYED if shows_kidney else ContrastPhase.UNKNOWN
    return ContrastPhase.PORTAL_VENOUS
