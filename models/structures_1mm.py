"""Classes of the 1 mm networks, and the normalisation of their input. Free of torch."""

from enum import IntEnum
from typing import Final

FINE_SPACING_MM: Final = 1.0
FINE_HU_CENTRE: Final = 150.0
FINE_HU_SCALE: Final = 400.0
FINE_HU_RANGE: Final = (-250.0, 1250.0)
"""Input: HU clipped to the range, then (HU - centre) / scale."""


class FemurStructure(IntEnum):
    """Softmax channels of the femur networks (a right femur is mirrored first)."""

    BACKGROUND = 0
    FEMUR = 1


class VertebraStructure(IntEnum):
    """Softmax channels of the vertebra network."""

    BACKGROUND = 0
    BODY_SHELL = 1
    TRABECULAR_CORE = 2
    POSTERIOR_ELEMENTS = 3
    NEIGHBOUR = 4


FEMUR_CROP: Final = (128, 96, 128)
"""Voxels of 1 mm: up, posterior, lateral, around a proximal femur."""
VERTEBRA_CROP: Final = (48, 64, 64)
"""Voxels of 1 mm along the vertebra's own axes: up, posterior, left: its body with the pedicles and
the canal, and the end plates of the neighbours."""
CORE_DEPTH_MM: Final = 2.0
"""The trabecular core begins this far below the surface of the body: past cortex and end plates
as a CT shows them, blurred to about 2 mm."""
