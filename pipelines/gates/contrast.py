"""Contrast medium: enhanced marrow reads about 10 to 25 HU too high.

Takes  CtVolume, Segmentation
Gives  Concern
Next   pipelines.quality
"""

from typing import Final

from pipelines.findings import Measured
from pipelines.gates.concern import Concern, Reach
from pipelines.reasons import Reason
from pipelines.vessels import prevertebral_blood
from pipelines.volume import CtVolume, Segmentation

NO_AGENT: Final = frozenset({"NONE", "NO", "N", "NO CONTRAST", "WITHOUT", "UNENHANCED", "0"})
UNENHANCED_BLOOD_HU: Final = 90.0
"""Blood without contrast reads 30 to 60 HU, in the portal venous phase 140 to 170 HU."""


def check_contrast(ct: CtVolume, segmentation: Segmentation) -> Concern | None:
    """Flag an injection that the header names, or blood that is bright or cannot be seen.

    Headers forget contrast, so silence is no proof: the vessels before the spine must show that
    there is none.
    """
    agent = ct.header.contrast_agent
    if agent is None or agent.upper() in NO_AGENT:
        blood = prevertebral_blood(ct, segmentation)
        if isinstance(blood, Measured) and blood.value < UNENHANCED_BLOOD_HU:
            return None
    return Concern(reason=Reason.CONTRAST_POSSIBLE, reach=Reach.FLAG)
