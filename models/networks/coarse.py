"""First stage of the femur cascade at 3 mm, as it is shipped."""

from enum import IntEnum

from models.networks.vbnet import VBNet


class HipPart(IntEnum):
    """Softmax channels; both femora share one, the side comes from the place."""

    BACKGROUND = 0
    FEMUR = 1
    HIP_BONE = 2
    SACRUM = 3


def femur_coarse_network() -> VBNet:
    """VB-Net of three levels on folded voxels (511 thousand parameters)."""
    return VBNet(len(HipPart), widths=(32, 64, 128), convolutions=(2, 3, 3), fold=2)
