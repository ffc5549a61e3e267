"""The shipped hip network at 3 mm, the first stage of the femur cascade."""

from models.networks.vbnet import VBNet
from models.structures_3mm import HipStructure


def hips_3mm_network() -> VBNet:
    """VB-Net of three levels on folded voxels (300 thousand parameters)."""
    return VBNet(len(HipStructure), widths=(24, 48, 96), convolutions=(2, 3, 3), fold=2)
