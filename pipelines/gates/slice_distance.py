"""Gate of slice thickness and distance: above 5 mm every slice of a body contains endplate.

Takes  Scan
Gives  Concern
Next   pipelines.gates.all_gates
"""

from pipelines.contract.reasons import Reason
from pipelines.contract.slice_thickness import THICKEST_MM, is_thicker
from pipelines.gates.concern import Concern, Reach, Scan


def check_slice_distance(scan: Scan) -> Concern | None:
    """Withhold everything where slices are thicker or farther apart than 5 mm."""
    if is_thicker(scan.ct.slice_mm, THICKEST_MM):
        return Concern(reason=Reason.SLICE_TOO_THICK, reach=Reach.WITHHOLD_ALL)
    return None
