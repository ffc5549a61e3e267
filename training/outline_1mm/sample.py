"""One training example of a fine network."""

from dataclasses import dataclass

import torch

from models.structures_1mm import FINE_HU_CENTRE, FINE_HU_RANGE, FINE_HU_SCALE


@dataclass(frozen=True, slots=True, kw_only=True)
class FineSample:
    """One training example.

    Parameters
    ----------
    image : (1, slices, rows, columns) float32
        Network input.
    labels : (slices, rows, columns) int64
        Parts, as the network's softmax counts them.
    """

    image: torch.Tensor
    labels: torch.Tensor


def as_sample(hu: torch.Tensor, labels: torch.Tensor) -> FineSample:
    """Normalise HU as `models.structures_1mm` says."""
    image = (hu.clamp(*FINE_HU_RANGE) - FINE_HU_CENTRE) / FINE_HU_SCALE
    return FineSample(image=image[None].float(), labels=labels.long())
