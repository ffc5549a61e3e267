"""Study 1: two independent three-dimensional DenseNet-121 over one vertebra.

Source: study 1, "two independent DenseNet-121s". Layer by layer the three-dimensional DenseNet-121
of MONAI: convolution 7x7x7 of stride 2 (64 channels), pooling, dense blocks of 6, 12, 24 and 16
layers with growth 32 and transitions between, global average, one linear layer.
"""

from typing import Final

from monai.networks.nets import DenseNet121

STATUS_CLASSES: Final = 3
"""Normal, osteopenia, osteoporosis, in this order."""


def bmd_network() -> DenseNet121:
    """Areal density in g/cm2 from (batch, 1, 64 slices, 128 rows, 128 columns); output (batch, 1).

    11.2 million parameters.
    """
    return DenseNet121(spatial_dims=3, in_channels=1, out_channels=1)


def class_network() -> DenseNet121:
    """Logits of the three classes from the same input; output (batch, 3)."""
    return DenseNet121(spatial_dims=3, in_channels=1, out_channels=STATUS_CLASSES)
