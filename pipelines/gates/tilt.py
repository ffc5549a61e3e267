"""Gate of the gantry tilt: positions are exact, but slices cut the bodies obliquely.

Takes  Scan
Gives  Concern
Next   pipelines.gates.all_gates
"""

from typing import Final

from pipelines.contract.reasons import Reason
from pipelines.gates.concern import Concern, Reach, Scan
from pipelines.space.coordinates import tilt_degrees

NEGLIGIBLE_DEGREES: Final = 1.0


def check_tilt(scan: Scan) -> Concern | None:
    """Flag a stack whose slice positions do not follow the slice normal."""
    if tilt_degrees(scan.ct.geometry) > NEGLIGIBLE_DEGREES:
        return Concern(reason=Reason.GANTRY_TILT, reach=Reach.FLAG)
    return None
