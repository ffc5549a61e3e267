"""Reconstruction kernels by their vendors' names."""

import re
from typing import Final

SHARP_NAMES: Final = frozenset({"BONE", "BONEPLUS", "EDGE", "LUNG", "ULTRA", "DETAIL+"})
"""GE names its kernels; Philips uses letters, see below."""
SHARP_PHILIPS: Final = frozenset({"D", "L", "YB", "YC", "YD", "E"})
SHARPEST_SIEMENS: Final = 55
"""Siemens B, Br, Bl, Hr, I, J numbers: from about here the kernel is meant for bone and lung."""
SHARPEST_CANON: Final = 30
"""Canon/Toshiba FC01-FC29 are body kernels; FC30 and above enhance bone, lung or detail."""


def is_sharp(kernel: str) -> bool:
    """Whether a vendor's kernel name stands for a sharp kernel."""
    name = kernel.split("\\")[0].strip().upper()
    if name in SHARP_NAMES or name in SHARP_PHILIPS:
        return True
    if siemens := re.fullmatch(r"[A-Z]{1,2}(\d{2})[A-Z]?\d?", name):
        threshold = SHARPEST_CANON if name.startswith("FC") else SHARPEST_SIEMENS
        return int(siemens.group(1)) >= threshold
    return False
