"""The shipped networks at 1 mm: proximal femur and vertebra."""

from models.networks.vbnet import VBNet
from models.structures_1mm import FemurStructure, VertebraStructure


def femur_1mm_network() -> VBNet:
    """Second stage of the femur cascade: VB-Net of the study's widths on folded voxels."""
    return VBNet(len(FemurStructure), fold=2)


def vertebra_1mm_network() -> VBNet:
    """One vertebra in its own axes; four levels, folded voxels."""
    return VBNet(
        len(VertebraStructure), widths=(24, 48, 96, 128), convolutions=(1, 2, 3, 3), fold=2
    )
