"""Loss of the spine network: structures and a heat map of the centres of bodies."""

import torch
from monai.losses import DiceCELoss

from models.structures_3mm import CENTRE_CHANNEL, Structure

HEAT_WEIGHT = 20.0
MERGED = len(Structure) - 1
"""Number of structures in the loss, with both femora as one."""


def merged_logits(logits: torch.Tensor) -> torch.Tensor:
    """Merge the logits of both femora into one class.

    The network cannot distinguish left from right within a window of the scan. The position beside
    the midline gives the side.
    """
    left, right = logits[:, Structure.FEMUR_LEFT], logits[:, Structure.FEMUR_RIGHT]
    femora = torch.logaddexp(left, right)[:, None]
    return torch.cat([logits[:, : Structure.FEMUR_LEFT], femora, logits[:, Structure.RIB :]], 1)


def merged_labels(labels: torch.Tensor) -> torch.Tensor:
    """Merge the labels of both femora into one class."""
    return labels - (labels >= Structure.FEMUR_RIGHT).long()


def structures_and_centre(
    output: torch.Tensor, batch: dict[str, torch.Tensor], criterion: DiceCELoss
) -> tuple[torch.Tensor, torch.Tensor]:
    """Dice + cross-entropy of the structures, squared error of the centre heat map."""
    structures = criterion(
        merged_logits(output[:, :CENTRE_CHANNEL]), merged_labels(batch["labels"])
    )
    heat = batch["heat"]
    weight = 1 + 20 * heat
    centre = (weight * (torch.sigmoid(output[:, CENTRE_CHANNEL:]) - heat) ** 2).mean()
    return structures, HEAT_WEIGHT * centre
