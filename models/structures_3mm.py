"""Classes of the 3 mm networks, in the order of their output channels."""

from enum import IntEnum
from typing import Final


class Structure(IntEnum):
    """One softmax channel of the 3 mm spine network."""

    BACKGROUND = 0
    LUMBAR_BODY = 1
    THORACIC_BODY = 2
    POSTERIOR_ELEMENTS = 3
    DISC = 4
    SACRUM = 5
    HIP_BONE = 6
    FEMUR_LEFT = 7
    FEMUR_RIGHT = 8
    RIB = 9


FEMORA: Final = (Structure.FEMUR_LEFT, Structure.FEMUR_RIGHT)


class HipStructure(IntEnum):
    """One softmax channel of the 3 mm hip network; the side of a femur follows from its position."""

    BACKGROUND = 0
    FEMUR = 1
    HIP_BONE = 2
    SACRUM = 3


CENTRE_CHANNEL: Final = len(Structure)
"""After the softmax channels: logit of a Gaussian (sigma 5 mm) at each vertebral body's centre."""

CHANNELS: Final = len(Structure) + 1
SPACING_MM: Final = 3.0

HU_CENTRE: Final = 0.0
HU_SCALE: Final = 400.0
HU_RANGE: Final = (-300.0, 900.0)
"""Input: HU clipped to the range, then (HU - centre) / scale."""
