"""Gate of contrast medium, which raises the attenuation of marrow by about 10 to 25 HU.

Takes  Scan
Gives  Concern
Next   pipelines.gates.all_gates
"""

from types import MappingProxyType
from typing import Final

from pipelines.contract.findings import ContrastPhase
from pipelines.contract.reasons import Reason
from pipelines.gates.concern import Concern, Reach, Scan

REASONS: Final = MappingProxyType(
    {
        ContrastPhase.ARTERIAL: Reason.CONTRAST_ARTERIAL,
        ContrastPhase.PORTAL_VENOUS: Reason.CONTRAST_PORTAL_VENOUS,
        ContrastPhase.DELAYED: Reason.CONTRAST_DELAYED,
        ContrastPhase.UNKNOWN: Reason.CONTRAST_POSSIBLE,
    }
)
ENHANCED: Final = (ContrastPhase.ARTERIAL, ContrastPhase.PORTAL_VENOUS, ContrastPhase.DELAYED)


def check_contrast(scan: Scan) -> Concern | None:
    """Flag every phase except the unenhanced one."""
    if scan.phase is ContrastPhase.NONE:
        return None
    return Concern(reason=REASONS[scan.phase], reach=Reach.FLAG)
