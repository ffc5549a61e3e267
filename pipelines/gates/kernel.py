"""Reconstruction kernel: sharp ones add noise and overshoot at edges; the mean is robust.

Takes  CtVolume
Gives  Concern
Next   pipelines.quality
"""

import re
from typing import Final

from pipelines.gates.concern import Concern, Reach
from pipelines.reasons import Reason
from pipelines.volume import CtVolume

SHARP_NAMES: Final = frozenset({"BONE", "BONEPLUS", "EDGE", "LUNG", "ULTRA", "DETAIL+"})
"""GE names its kernels; Philips uses letters, see below."""
SHARP_PHILIPS: Final = frozenset({"D", "L", "YB", "YC", "YD", "E"})
SHARPEST_SIEMENS: Final = 55
"""Siemens B, Br, Bl, Hr, I, J numbers: from about here the kernel is meant for bone and lung."""
SHARPEST_CANON: Final = 30
"""Canon/Toshiba FC01-FC29 are body kernels; FC30 and above enhance bone, lung or detail."""


def check_kernel(ct: CtVolume) -> Concern | None:
    """Flag a kernel that is known to be sharp; an unknown or missing name says nothing."""
    kernel = ct.header.convolution_kernel
    if kernel is None or not is_sharp(kernel):
        return None
    return Concern(reason=Reason.SHARP_KERNEL, reach=Reach.FLAG)


def is_sharp(kernel: str) -> bool:
    """Whether a vendor's kernel name stands for a sharp kernel."""
    name = kernel.split("\\")[0].strip().upper()
    if name in SHARP_NAMES or name in SHARP_PHILIPS:
        return True
    if siemens := re.fullmatch(r"[A-Z]{1,2}(\d{2})[A-Z]?\d?", name):
        threshold = SHARPEST_CANON if name.startswith("FC") else SHARPEST_SIEMENS
        return int(siemens.group(1)) >= threshold
    return False
