"""Load a network by name, only from weights whose digest is that of its card.

Weights are safetensors in half precision; nothing is ever unpickled.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from types import MappingProxyType
from typing import Final

import torch
from safetensors.torch import load
from torch import nn

from models.cards import WEIGHTS_FOLDER, card, checked_content
from models.errors import UnknownModel
from models.networks.dcnn import NARROW, ChestDCNN
from models.networks.dxa_equivalent import bmd_network, class_network
from models.networks.hips_3mm import hips_3mm_network
from models.networks.outline_1mm import femur_1mm_network, vertebra_1mm_network
from models.networks.residual import residual_classifier
from models.networks.spine_3mm import spine_3mm_network

NETWORKS: Final[Mapping[str, Callable[[], nn.Module]]] = MappingProxyType(
    {
        "spine_3mm": spine_3mm_network,
        "hips_3mm": hips_3mm_network,
        "vertebra_1mm": vertebra_1mm_network,
        "femur_1mm": femur_1mm_network,
        "dxa_equivalent_bmd": bmd_network,
        "dxa_equivalent_class": class_network,
        "chest_dcnn": partial(ChestDCNN, out_channels=1, widths=NARROW),
        "chest_fusion": partial(residual_classifier, levels=2),
        "chest_single": partial(residual_classifier, levels=1),
    }
)


@cache
def network(name: str, device: str = "cpu") -> nn.Module:
    """Network ready for inference, loaded once per process.

    Raises
    ------
    UnknownModel
        No card of that name, or a card that names an unknown network.
    DigestMismatch
        The weights file is not the one that the card describes.
    """
    described = card(name)
    if described.network not in NETWORKS:
        raise UnknownModel(f"network {described.network!r}", "one of " + ", ".join(NETWORKS), "")
    content = checked_content(WEIGHTS_FOLDER / described.file, described.sha256)
    tensors = {key: value.float() for key, value in load(content).items()}
    built = NETWORKS[described.network]()
    built.load_state_dict(tensors)
    flat = any(parameter.dim() == 4 for parameter in built.parameters())
    form = torch.channels_last if flat else torch.channels_last_3d
    return built.eval().to(device, memory_format=form)  # type: ignore[call-overload, no-any-return]
