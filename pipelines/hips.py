"""Femora at 3 mm, by two networks where a pelvis is in view: the first stage of the femur cascade.

Takes  HU on the 3 mm grid, what the spine network says of it
Gives  Femora
Next   pipelines.proximal_femur

A VB-Net that knows hips alone outlines them, and the spine network, which knows what else a body
holds, says which of these parts are femora: alone, the first takes vertebrae and ilia for femora as
well, and the second leaves out their cortex. Names of vertebrae and the sacrum rest on the spine
network alone.

Source: study 3 (VB-Net at 3 mm, then at 1 mm).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.inference import SpineProbabilities, hip_probabilities
from models.structures import SPACING_MM, HipPart, Structure

HIPS_MODEL: Final = "hips"
FEMORA: Final = (Structure.FEMUR_LEFT, Structure.FEMUR_RIGHT)
PELVIS: Final = (*FEMORA, Structure.HIP_BONE, Structure.SACRUM)
LEAST_VOXELS: Final = 150
"""3 mm voxels (4 cm3) of hip bone, femur or sacrum that make a pelvis."""
LEAST_SHARE: Final = 0.1
"""Of a part that the hip network outlines, what the spine network must call femur as well. Femora
have a quarter and more, other bones nothing."""
AROUND_MM: Final = 60.0
"""The hip network looks so far above and below what the spine network sees of the pelvis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Femora:
    """Both femora on the 3 mm grid; their sides follow from where they lie.

    Parameters
    ----------
    probability : (slices, rows, columns) float32, read-only
        Mean over passes.
    passes : (slices, rows, columns) bool each, read-only
        By the scan and by its mirror image.
    """

    probability: NDArray[np.float32]
    passes: tuple[NDArray[np.bool_], ...]


def find_femora(
    hu: NDArray[np.float32], spine: Sequence[SpineProbabilities], device: str
) -> Femora:
    """Ask the hip network about the slices around the pelvis; without one the spine network tells.

    Parameters
    ----------
    hu : (slices, rows, columns) float32
        3 mm; axes up, posterior, left.
    spine
        Of the scan, and of its mirror image, turned back.
    """
    pelvis = np.mean([one.structures[list(PELVIS)].sum(axis=0) for one in spine], axis=0) > 0.5
    femora = [one.structures[list(FEMORA)].sum(axis=0) for one in spine]
    if int(pelvis.sum()) >= LEAST_VOXELS:
        hips = _asked(hu, pelvis, device)
        femora = [both_see(hip, femur) for hip, femur in zip(hips, femora, strict=True)]
    probability = np.asarray(np.mean(femora, axis=0), np.float32)
    probability.flags.writeable = False
    return Femora(probability=probability, passes=tuple(_frozen(one > 0.5) for one in femora))


def _asked(
    hu: NDArray[np.float32], pelvis: NDArray[np.bool_], device: str
) -> list[NDArray[np.float32]]:
    """Femora by the hip network, of the scan and of its mirror image; 0 far from the pelvis."""
    heights = np.flatnonzero(pelvis.any(axis=(1, 2)))
    margin = round(AROUND_MM / SPACING_MM)
    around = slice(max(0, int(heights[0]) - margin), int(heights[-1]) + 1 + margin)
    slab = hu[around]
    plain = hip_probabilities(HIPS_MODEL, slab, device)
    mirrored = hip_probabilities(HIPS_MODEL, np.ascontiguousarray(slab[..., ::-1]), device)
    whole = np.zeros((2, *hu.shape), np.float32)
    whole[0, around] = plain[HipPart.FEMUR]
    whole[1, around] = mirrored[HipPart.FEMUR][..., ::-1]
    return list(whole)


def both_see(hips: NDArray[np.float32], spine: NDArray[np.float32]) -> NDArray[np.float32]:
    """The femora of ``hips``, without its parts that ``spine`` takes for something else.

    Parameters
    ----------
    hips, spine : (slices, rows, columns) float32
        Probability of femur by each network.
    """
    parts, count = ndimage.label(hips > 0.5)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    shared = np.bincount(parts[spine > 0.5], minlength=count + 1)
    is_femur = shared >= LEAST_SHARE * np.maximum(sizes, 1)
    is_femur[0] = False
    # One voxel more keeps the slope of the probability, on which the border between voxels rests.
    near = ndimage.binary_dilation(is_femur[parts])
    return np.where(near, hips, 0).astype(np.float32)


def _frozen(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    mask.flags.writeable = False
    return mask
