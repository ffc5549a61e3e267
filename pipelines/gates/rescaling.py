"""Gate of Rescale Type: only Hounsfield units are attenuation.

Takes  Scan
Gives  Concern
Next   pipelines.gates.all_gates
"""

from typing import Final

from pipelines.contract.reasons import Reason
from pipelines.gates.concern import Concern, Reach, Scan

HOUNSFIELD: Final = frozenset({"HU", "US"})
"""``US`` (unspecified) is common in CT headers (PS3.3 C.11.1.1.2)."""


def check_rescaling(scan: Scan) -> Concern | None:
    """Withhold everything where the header names another unit, such as electron density."""
    unit = scan.ct.header.rescale_type
    if unit is not None and unit.upper() not in HOUNSFIELD:
        return Concern(reason=Reason.NOT_HOUNSFIELD, reach=Reach.WITHHOLD_ALL)
    return None
