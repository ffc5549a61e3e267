"""The 3 mm spine network: a MONAI U-Net over the whole scan."""

from monai.networks.nets import UNet

from models.structures_3mm import CHANNELS


def spine_3mm_network() -> UNet:
    """U-Net with residual units; 1.8 million parameters.

    Input (batch, 1, slices, rows, columns), axes up, posterior, left at 3 mm, normalised as in
    `models.structures_3mm`; sizes are multiples of 16. Output (batch, ``CHANNELS``, ...): logits
    of ``Structure``, then the logit of the centre heat map.
    """
    return UNet(
        spatial_dims=3,
        in_channels=1,
        out_channels=CHANNELS,
        channels=(16, 32, 64, 128, 128),
        strides=(2, 2, 2, 2),
        num_res_units=1,
        norm="instance",
    )
