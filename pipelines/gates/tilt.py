"""Gantry tilt: the geometry carries it exactly, but slices cut the bodies obliquely.

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
    """Flag a stack whose slices step aside as they advance."""
    if tilt_degrees(scan.ct.geometry) > NEGLIGIBLE_DEGREES:
        return Concern(reason=Reason.GANTRY_TILT, reach=Reach.FLAG)
    return None
