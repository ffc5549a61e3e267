"""Training patches of single hips at 3 mm: real shapes with painted bone, as for the 1 mm network."""

from typing import Final

import numpy as np
import torch
from torch.nn import functional

from models.structures_3mm import HipStructure
from training.outline_1mm.deformation import random_places
from training.outline_1mm.femur import FemurShelf, femur_scene
from training.outline_1mm.imaging import cut_off, imaged

PATCH_MM: Final = (144, 144, 144)
COARSE_MM: Final = 3
JITTER_MM: Final = 30.0
BELOW_HEAD_MM: Final = -20.0
"""Distance along the body from the centre of the head to the centre of the patch."""


def painted_hip(shelf: FemurShelf, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw one hip, left or right; both (48, 48, 48), HU and ``HipStructure``."""
    specimen = shelf.draw(rng)
    offset = rng.uniform(-JITTER_MM, JITTER_MM, 3)
    offset[0] += BELOW_HEAD_MM
    places = random_places(rng, PATCH_MM, specimen.head + offset)
    hu, femur, hip = femur_scene(specimen, shelf.surroundings, places, rng)
    hu, femur, hip = (_coarse(one) for one in (imaged(hu, rng), femur, hip))
    labels = torch.zeros(hu.shape, dtype=torch.int64)
    labels[hip < 0] = int(HipStructure.HIP_BONE)
    labels[femur < 0] = int(HipStructure.FEMUR)
    hu, labels = cut_off(hu, labels, rng)
    if rng.random() < 0.5:
        hu, labels = hu.flip(2), labels.flip(2)
    return hu, labels


def _coarse(fine: torch.Tensor) -> torch.Tensor:
    """Mean over cubes of 3 mm."""
    return functional.avg_pool3d(fine[None], COARSE_MM)[0]
