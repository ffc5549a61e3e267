"""Reconstruction kernel: sharp ones add noise and overshoot at edges; the mean is robust.

Takes  Scan
Gives  Concern
Next   pipelines.gates.all_gates
"""

from pipelines.contract.kernels import is_sharp
from pipelines.contract.reasons import Reason
from pipelines.gates.concern import Concern, Reach, Scan


def check_kernel(scan: Scan) -> Concern | None:
    """Flag a kernel that is known to be sharp; an unknown or missing name says nothing."""
    kernel = scan.ct.header.convolution_kernel
    if kernel is None or not is_sharp(kernel):
        return None
    return Concern(reason=Reason.SHARP_KERNEL, reach=Reach.FLAG)
