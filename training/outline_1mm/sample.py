"""Training example of a 1 mm network."""

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
        Class numbers in the order of the network's output channels.
    """

    image: torch.Tensor
    labels: torch.Tensor


def as_sample(hu: torch.Tensor, labels: torch.Tensor) -> FineSample:
    """Normalise HU as in `models.structures_1mm` and make a sample."""
    image = (hu.clamp(*FINE_HU_RANGE) - FINE_HU_CENTRE) / FINE_HU_SCALE
    return FineSample(image=image[None].float(), labels=labels.long())
