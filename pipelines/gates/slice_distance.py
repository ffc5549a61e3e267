"""Slice thickness and distance: beyond 5 mm the endplates reach into every slice.

Takes  CtVolume
Gives  Concern
Next   pipelines.gates.all_gates
"""

from typing import Final

from pipelines.contract.reasons import Reason
from pipelines.gates.concern import Concern, Reach
from pipelines.read.volume import CtVolume

THICKEST_MM: Final = 5.0
ROUNDING_MM: Final = 0.05


def check_slice_distance(ct: CtVolume) -> Concern | None:
    """Withhold everything where slices are thicker or farther apart than 5 mm."""
    distance_mm = float(ct.geometry.spacing_mm[0])
    thickness_mm = ct.header.slice_thickness_mm or distance_mm
    if max(distance_mm, thickness_mm) > THICKEST_MM + ROUNDING_MM:
        return Concern(reason=Reason.SLICE_TOO_THICK, reach=Reach.WITHHOLD_ALL)
    return None
