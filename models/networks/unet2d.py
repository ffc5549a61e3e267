"""The baseline of study 4: a plain 2D U-Net (MONAI's basic U-Net, Ronneberger et al. 2015)."""

from collections.abc import Sequence
from typing import Final

from monai.networks.nets import BasicUNet

WIDTHS: Final = (64, 128, 256, 512, 1024)
"""Channels of the original U-Net from the finest to the coarsest level."""


def chest_unet(out_channels: int = 2, widths: Sequence[int] = WIDTHS) -> BasicUNet:
    """U-Net for one axial slice.

    Input (batch, 1, rows, columns), sizes multiples of 16; output (batch, ``out_channels``, rows,
    columns): logits.
    """
    # MONAI's last number is the width before the exit; the original keeps the finest one.
    return BasicUNet(
        spatial_dims=2,
        in_channels=1,
        out_channels=out_channels,
        features=(*widths, widths[0]),
        norm="batch",
        act="relu",
    )
