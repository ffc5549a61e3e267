"""The classifiers of studies 1 and 4 are the networks that the studies describe."""

import pytest
import torch

from models.networks.dxa_equivalent import bmd_network, class_network
from models.networks.residual import residual_classifier

DENSENET_121 = [
    ("conv0", (64, 32, 64, 64)),
    ("pool0", (64, 16, 32, 32)),
    ("denseblock1", (256, 16, 32, 32)),
    ("transition1", (128, 8, 16, 16)),
    ("denseblock2", (512, 8, 16, 16)),
    ("transition2", (256, 4, 8, 8)),
    ("denseblock3", (1024, 4, 8, 8)),
    ("transition3", (512, 2, 4, 4)),
    ("denseblock4", (1024, 2, 4, 4)),
]
"""Channels and size after each stage, from the table of DenseNet-121 (Huang 2017), in 3D."""


def test_dxa_equivalent_networks_are_densenet_121() -> None:
    """Stage by stage, from 64 x 128 x 128 voxels."""
    found = {}
    with torch.inference_mode():
        values = torch.zeros(1, 1, 64, 128, 128)
        for name, stage in bmd_network().eval().features.named_children():
            values = stage(values)
            found[name] = tuple(values.shape[1:])
    for name, shape in DENSENET_121:
        assert found[name] == shape


def test_regression_returns_one_number_and_status_three_classes() -> None:
    """Two independent networks that differ in their last layer only."""
    assert bmd_network().state_dict()["class_layers.out.weight"].shape == (1, 1024)
    assert class_network().state_dict()["class_layers.out.weight"].shape == (3, 1024)


@pytest.mark.parametrize(
    ("variant", "convolutions"), [("text34", 33), ("resnet50", 49), ("resnet101", 100)]
)
@pytest.mark.parametrize("levels", [1, 2])
def test_residual_classifiers_have_their_depth(variant, convolutions, levels) -> None:
    """34, 50 and 101 weighted layers: the convolutions on the main path, and the last one."""
    network = residual_classifier(levels, variant).eval()
    counted = [
        name
        for name, part in network.named_modules()
        if isinstance(part, torch.nn.Conv2d) and "downsample" not in name
    ]
    assert len(counted) == convolutions
    with torch.inference_mode():
        assert network(torch.zeros(1, levels, 128, 128)).shape == (1, 3)


def test_text_variant_halves_once_a_stage() -> None:
    """512 -> 256 (stem) -> 128 (pooling) -> 128, 64, 32, 16."""
    network = residual_classifier(2, "text34").eval()
    with torch.inference_mode():
        values = network.maxpool(
            network.act(network.bn1(network.conv1(torch.zeros(1, 2, 512, 512))))
        )
        sizes = [values.shape[-1]]
        for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
            values = stage(values)
            sizes.append(values.shape[-1])
    assert sizes == [128, 128, 64, 32, 16]
