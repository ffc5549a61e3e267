"""Gate of the reconstruction kernel: sharp ones add noise and overshoot at edges.

Takes  Scan
Gives  Concern
Next   pipelines.gates.all_gates
"""

from pipelines.contract.kernels import is_sharp
from pipelines.contract.reasons import Reason
from pipelines.gates.concern import Concern, Reach, Scan


def check_kernel(scan: Scan) -> Concern | None:
    """Flag a sharp kernel; a missing name and one that is in no list pass."""
    kernel = scan.ct.header.convolution_kernel
    if kernel is None or not is_sharp(kernel):
        return None
    return Concern(reason=Reason.SHARP_KERNEL, reach=Reach.FLAG)
