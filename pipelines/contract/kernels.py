"""Classify reconstruction kernels by their vendors' names, for node and pipelines.

Takes  Convolution Kernel (0018,1210)
Gives  bool, float
Next   node.series.selection, pipelines.gates.kernel, pipelines.contract.density_table
"""

import re
from typing import Final

SHARP_WORDS: Final = ("BONE", "DETAIL", "EDGE", "LUNG", "SHARP", "ULTRA")
"""GE and others name sharp kernels by these words: BONEPLUS, BONE+, EDGE PLUS, DETAIL."""
SOFT_WORDS: Final = ("STANDARD", "SOFT", "SMOOTH", "BODY", "ABD")
SHARP_PHILIPS: Final = frozenset({"D", "E", "L", "YB", "YC", "YD"})
"""Philips names kernels by letters."""
MEDIUM_PHILIPS: Final = frozenset({"C", "YA"})
SOFT_PHILIPS: Final = frozenset({"A", "B"})
SHARP_SIEMENS_FROM: Final = 55
"""Siemens numbers its B, Br, Bl, Hr, I and J kernels: from about here they are for bone and lung."""
SOFT_SIEMENS_TO: Final = 40
USELESS_SIEMENS_FROM: Final = 60
SHARP_CANON_FROM: Final = 30
"""Canon (Toshiba) FC01 to FC29 are for the body and the head, FC30 and above for bone and lung."""
MEDIUM: Final = 0.6
"""Suitability of a medium kernel, and of an unknown name."""


def is_sharp(kernel: str) -> bool:
    """Whether a vendor's kernel name means a sharp kernel; false for an unknown name."""
    name = _first_name(kernel)
    if name in SHARP_PHILIPS or any(word in name for word in SHARP_WORDS):
        return True
    family, number = _numbered(name)
    return number >= (SHARP_CANON_FROM if family == "FC" else SHARP_SIEMENS_FROM)


def kernel_suitability(kernel: str) -> float:
    """How well a kernel suits the measurement of attenuation.

    Returns
    -------
    float
        1 for a soft or standard kernel, 0 exactly for a sharp one (see `is_sharp`), between for a
        medium kernel or an unknown name.
    """
    name = _first_name(kernel)
    if is_sharp(kernel):
        return 0.0
    if name in SOFT_PHILIPS or any(word in name for word in SOFT_WORDS):
        return 1.0
    family, number = _numbered(name)
    if name in MEDIUM_PHILIPS or number < 0:
        return MEDIUM
    if family == "FC":
        return 1.0
    # Siemens B10 to B80, Br36 to Br69: the higher, the sharper.
    span = USELESS_SIEMENS_FROM - SOFT_SIEMENS_TO
    return min((USELESS_SIEMENS_FROM - number) / span, 1.0)


def _first_name(kernel: str) -> str:
    r"""``Br40d\3`` holds the kernel and the strength of the iterative reconstruction."""
    return kernel.split("\\")[0].strip().upper()


def _numbered(name: str) -> tuple[str, int]:
    """Letters and number of a Siemens or Canon name, ``BR40D``: BR and 40; else -1."""
    match = re.fullmatch(r"([A-Z]{1,2})(\d{2})[A-Z]?\d?", name)
    return (match[1], int(match[2])) if match is not None else ("", -1)
