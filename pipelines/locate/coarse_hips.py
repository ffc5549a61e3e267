"""Find femora and sacrum at 3 mm: the first stage of the femur cascade.

Takes  HU on the 3 mm grid, SpineProbabilities
Gives  Hips
Next   pipelines.outline.proximal_femur

Where a pelvis is in view, two networks are combined. The hip network (a VB-Net with hips as its only
classes) outlines the femora; the parts that the spine network does not predict as femur are removed.
Alone, the hip network also predicts femur in vertebrae and ilia, and the spine network misses the
cortex. The probability of sacrum is the mean of both networks. The names of vertebrae depend on the
spine network only.

Source: study 3 (VB-Net at 3 mm, then at 1 mm).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.inference import SpineProbabilities, exchanged, hip_probabilities, mirror_passes
from models.structures_3mm import FEMORA, SPACING_MM, HipStructure, Structure
from pipelines.space.masks import connected_parts, largest_part, without_holes

HIPS_MODEL: Final = "hips_3mm"
Array = TypeVar("Array", NDArray[np.float32], NDArray[np.bool_])

PELVIS: Final = (*FEMORA, Structure.HIP_BONE, Structure.SACRUM)
LEAST_VOXELS: Final = 150
"""3 mm voxels (4 cm3) of hip bone, femur or sacrum that make a pelvis."""
LEAST_SHARE: Final = 0.1
"""Least share of a part of the hip network that the spine network predicts as femur as well. It is 0.25 and
more in femora, and 0 in other bones."""
CLOSED_VOXELS: Final = 3
"""Gaps and holes of a femur up to twice this width are closed. Metal, its dark streaks and fat in the shaft
leave holes in the prediction."""
CLOSED: Final = 0.75
"""Probability that closed gaps and holes get."""
ABOVE_MM: Final = 60.0
"""The hip network runs from the lowest slice to this height above the pelvis of the spine network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hips:
    """Femora and sacrum on the 3 mm grid; the side of a femur follows from its position.

    Parameters
    ----------
    femora, sacrum : (slices, rows, columns) float32, read-only
        Probability, mean over passes; femora without gaps and holes.
    passes : (slices, rows, columns) bool each, read-only
        Femora by the scan and by its mirror image.
    """

    femora: NDArray[np.float32]
    sacrum: NDArray[np.float32]
    passes: tuple[NDArray[np.bool_], ...]


def find_hips(hu: NDArray[np.float32], spine: Sequence[SpineProbabilities], device: str) -> Hips:
    """Run the hip network on the pelvic slices; without a pelvis use the maps of the spine network.

    Parameters
    ----------
    hu : (slices, rows, columns) float32
        3 mm; axes up, posterior, left.
    spine
        Of the scan, and of its mirror image, turned back.
    """
    # The largest part only: specks in ribs and shoulders do not make a pelvis.
    pelvis = largest_part(
        np.mean([one.structures[list(PELVIS)].sum(axis=0) for one in spine], axis=0) > 0.5
    )
    femora = [one.structures[list(FEMORA)].sum(axis=0) for one in spine]
    sacra = [one.structures[Structure.SACRUM] for one in spine]
    if int(pelvis.sum()) >= LEAST_VOXELS:
        around = _around(pelvis)
        for index, parts in enumerate(_hip_passes(hu[around], device)):
            hip, sacrum = np.zeros((2, *hu.shape), np.float32)
            hip[around] = parts[HipStructure.FEMUR]
            sacrum[around] = (sacra[index][around] + parts[HipStructure.SACRUM]) / 2
            femora[index], sacra[index] = both_see(hip, femora[index]), sacrum
    return Hips(
        femora=_frozen(closed(np.asarray(np.mean(femora, axis=0), np.float32))),
        sacrum=_frozen(np.asarray(np.mean(sacra, axis=0), np.float32)),
        passes=tuple(_frozen(one > 0.5) for one in femora),
    )


def _around(pelvis: NDArray[np.bool_]) -> slice:
    """Slices from the lowest one to above the pelvis."""
    highest = int(np.flatnonzero(pelvis.any(axis=(1, 2)))[-1])
    return slice(0, highest + 1 + round(ABOVE_MM / SPACING_MM))


def _hip_passes(hu: NDArray[np.float32], device: str) -> tuple[NDArray[np.float32], ...]:
    """Output of the hip network for slices, and for their mirror image, turned back."""
    plain, mirrored = mirror_passes(lambda image: hip_probabilities(HIPS_MODEL, image, device), hu)
    return plain, exchanged(mirrored)


def both_see(hips: NDArray[np.float32], spine: NDArray[np.float32]) -> NDArray[np.float32]:
    """The femora of ``hips`` without the parts that ``spine`` does not predict as femur.

    Parameters
    ----------
    hips, spine : (slices, rows, columns) float32
        Probability of femur by each network.
    """
    parts, sizes = connected_parts(hips > 0.5)
    shared = np.bincount(parts[spine > 0.5], minlength=len(sizes))
    is_femur = shared >= LEAST_SHARE * np.maximum(sizes, 1)
    is_femur[0] = False
    # One more voxel keeps the slope of the probability, which sets the border between voxels.
    near = ndimage.binary_dilation(is_femur[parts])
    return np.where(near, hips, 0).astype(np.float32)


def closed(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """Femora without gaps and holes.

    Parameters
    ----------
    probability : (slices, rows, columns) float32
        Of femur. Closed gaps and holes become ``CLOSED``; other voxels stay.
    """
    there = probability > 0.5
    if not there.any():
        return probability
    box = ndimage.find_objects(there.astype(np.uint8))[0]
    # Padding, because closing removes voxels at the edge of the array.
    part = np.pad(there[box], CLOSED_VOXELS)
    part = ndimage.binary_closing(part, iterations=CLOSED_VOXELS)
    inner = part[(slice(CLOSED_VOXELS, -CLOSED_VOXELS),) * part.ndim]
    found = probability.copy()
    # At the end of a scan a shaft is an open tube, but closed in the planes across it.
    solid = without_holes(inner, axes=(0, 1, 2))
    np.maximum(found[box], CLOSED * solid, out=found[box], casting="same_kind")
    return found


def _frozen(values: Array) -> Array:
    values.flags.writeable = False
    return values
