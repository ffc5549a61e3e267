"""Study 4: residual classifier over the central slices of L1 and L2.

The study calls it ResNet-101 but describes stages of 3, 4, 6 and 3 blocks of two 3x3 convolutions:
the layout of ResNet-34. ``text34`` follows that: 1x1 convolutions around the blocks that change
the width, stride 2 in the first block of stages 2 to 4 only (halving in every block, as one
sentence has it, is impossible at 16 blocks). ``resnet50`` and ``resnet101`` are the
bottleneck networks of those names.
"""

from types import MappingProxyType
from typing import Final, Literal

from monai.networks.nets import ResNet

Variant = Literal["text34", "resnet50", "resnet101"]

LAYOUTS: Final = MappingProxyType(
    {
        "text34": ("basic", (3, 4, 6, 3)),
        "resnet50": ("bottleneck", (3, 4, 6, 3)),
        "resnet101": ("bottleneck", (3, 4, 23, 3)),
    }
)
WIDTHS: Final = (64, 128, 256, 512)
STATUS_CLASSES: Final = 3
"""Normal, osteopenia, osteoporosis, in this order."""


def residual_classifier(levels: int = 2, variant: Variant = "text34") -> ResNet:
    """Logits of the three classes; output (batch, 3).

    Parameters
    ----------
    levels
        Channels of the input (batch, levels, 512 rows, 512 columns): 2 for L1 and L2 (the study's
        model 1), 1 for L1 alone (model 2).
    """
    block, layers = LAYOUTS[variant]
    return ResNet(
        block=block,
        layers=list(layers),
        block_inplanes=list(WIDTHS),
        spatial_dims=2,
        n_input_channels=levels,
        conv1_t_size=7,
        conv1_t_stride=2,
        num_classes=STATUS_CLASSES,
        shortcut_type="B",
    )
