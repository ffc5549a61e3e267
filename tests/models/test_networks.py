"""Networks of the studies: shapes, levels and blocks."""

import pytest
import torch

from models.networks.dcnn import ChannelAttention, ChestDCNN
from models.networks.outline_1mm import femur_1mm_network, vertebra_1mm_network
from models.networks.unet2d import chest_unet
from models.networks.vbnet import WIDTHS, VBNet, folded, unfolded
from models.structures_1mm import FEMUR_CROP, VERTEBRA_CROP, FemurStructure, VertebraStructure


def test_vbnet_has_the_levels_of_study_3():
    """16 to 256 channels, each level half the size of the one above."""
    net = VBNet(2)
    sizes = []
    net.entry.register_forward_hook(lambda module, given, found: sizes.append(found.shape[1:3]))
    for down in net.down:
        down.register_forward_hook(lambda module, given, found: sizes.append(found.shape[1:3]))
    with torch.inference_mode():
        found = net(torch.zeros(1, 1, 32, 32, 32))
    assert found.shape == (1, 2, 32, 32, 32)
    assert sizes == [(width, 32 >> level) for level, width in enumerate(WIDTHS)]


def test_folding_keeps_every_voxel():
    """Space to depth and back is the identity, and groups neighbours."""
    image = torch.arange(4 * 4 * 4 * 2.0).reshape(1, 2, 4, 4, 4)
    assert torch.equal(unfolded(folded(image, 2), 2), image)
    assert set(folded(image, 2)[0, :8, 0, 0, 0].tolist()) == set(
        image[0, 0, :2, :2, :2].flatten().tolist()
    )


def test_a_folded_vbnet_takes_and_returns_single_voxels():
    """Eight voxels in, eight voxels out, in the size of the input."""
    net = VBNet(3, widths=(8, 16), convolutions=(1, 1), fold=2)
    with torch.inference_mode():
        assert net(torch.zeros(1, 1, 8, 12, 16)).shape == (1, 3, 8, 12, 16)


@pytest.mark.parametrize(
    ("build", "crop", "parts", "coarsest"),
    [
        (femur_1mm_network, FEMUR_CROP, FemurStructure, 32),
        (vertebra_1mm_network, VERTEBRA_CROP, VertebraStructure, 16),
    ],
)
def test_the_shipped_networks_fit_their_crops(build, crop, parts, coarsest):
    """Every side of a crop can be halved as often as the network requires."""
    assert all(side % coarsest == 0 for side in crop)
    with torch.inference_mode():
        assert build()(torch.zeros(1, 1, 32, 32, 32)).shape[1] == len(parts)


def test_the_chest_network_reduces_512_pixels_to_8():
    """Six reductions in seven levels (study 4)."""
    net = ChestDCNN(widths=(2, 2, 2, 2, 2, 2, 2)).eval()
    sizes = []
    for level in net.encoder:
        level.register_forward_hook(lambda module, given, found: sizes.append(found.shape[-1]))
    with torch.inference_mode():
        found = net(torch.zeros(1, 1, 512, 512))
    assert sizes == [512, 256, 128, 64, 32, 16, 8]
    assert found.shape == (1, 2, 512, 512)


def test_the_sixth_and_seventh_level_halve_by_a_2x2_convolution():
    """The levels above halve by pooling and begin with a 1x1 convolution."""
    kernels = [
        next(m for m in level.modules() if isinstance(m, torch.nn.Conv2d)).kernel_size
        for level in ChestDCNN(widths=(2,) * 7).encoder
    ]
    assert kernels == [(1, 1)] * 5 + [(2, 2)] * 2


def test_channel_attention_adds_weighed_low_level_channels_to_the_high_level_map():
    """Weights lie between 0 and 1, one per channel, the same at every pixel."""
    block = ChannelAttention(3).eval()
    high, low = torch.rand(1, 3, 5, 5), torch.rand(1, 3, 5, 5) + 1
    with torch.inference_mode():
        weights = (block(high, low) - high) / low
    assert ((weights > 0) & (weights < 1)).all()
    assert torch.allclose(weights, weights[..., :1, :1].expand_as(weights), atol=1e-5)


def test_the_chest_network_refuses_another_number_of_levels():
    """Seven, as in the study."""
    with pytest.raises(ValueError, match="7 levels"):
        ChestDCNN(widths=(2, 2))


def test_the_baseline_has_the_size_of_the_classical_unet():
    """31 million parameters (Ronneberger et al. 2015), two more convolutions of MONAI aside."""
    count = sum(p.numel() for p in chest_unet().parameters())
    assert count == pytest.approx(31.0e6, rel=0.05)
