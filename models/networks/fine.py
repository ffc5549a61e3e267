"""The networks at 1 mm, as they are shipped."""

from models.fine_structures import FemurPart, VertebraPart
from models.networks.vbnet import VBNet


def femur_fine_network() -> VBNet:
    """Second stage of the femur cascade: VB-Net of the study's widths on folded voxels."""
    return VBNet(len(FemurPart), fold=2)


def vertebra_fine_network() -> VBNet:
    """One vertebra in its own axes; four levels, folded voxels."""
    return VBNet(len(VertebraPart), widths=(24, 48, 96, 128), convolutions=(1, 2, 3, 3), fold=2)
