"""Measure a network on patches of patients that are not in its training data."""

import torch

from models.networks.spine_3mm import spine_3mm_network
from models.structures_3mm import CENTRE_CHANNEL, Structure
from training.outline_3mm.losses import MERGED, merged_labels, merged_logits


def dice_by_structure(
    weights: dict[str, torch.Tensor], batches: list[dict[str, torch.Tensor]]
) -> dict[str, float]:
    """Dice of every structure over all patches together; ``femur`` holds both femora."""
    network = spine_3mm_network()
    network.load_state_dict(weights)
    network.eval()
    overlap, total = torch.zeros(MERGED), torch.zeros(MERGED)
    with torch.inference_mode():
        for batch in batches:
            logits = merged_logits(network(batch["image"])[:, :CENTRE_CHANNEL])
            found, truth = logits.argmax(dim=1).flatten(), merged_labels(batch["labels"]).flatten()
            overlap += torch.bincount(found[found == truth], minlength=MERGED)
            total += torch.bincount(found, minlength=MERGED)
            total += torch.bincount(truth, minlength=MERGED)
    dice = 2 * overlap / total.clamp(min=1)
    return {
        Structure(number).name.lower().removesuffix("_left"): round(float(dice[number]), 4)
        for number in range(1, MERGED - 1)
    } | {"rib": round(float(dice[-1]), 4)}
