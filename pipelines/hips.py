"""Both hips at 3 mm: the first stage of the femur cascade, where the scan shows a pelvis.

Takes  3 mm volume, what the spine network says of it
Gives  HipMaps
Next   pipelines.localize

Source: study 3 (a coarse network at 3 mm, then a fine one at 1 mm).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.inference import SpineProbabilities, hip_probabilities
from models.structures import HipPart, Structure

HIP_MODEL: Final = "hips"
PELVIS: Final = (
    Structure.SACRUM,
    Structure.HIP_BONE,
    Structure.FEMUR_LEFT,
    Structure.FEMUR_RIGHT,
)
LEAST_VOXELS: Final = 300
"""3 mm voxels (8 cm3) of pelvis in view for the hips to be looked for."""
LEAST_IN_SLICE: Final = 10
ABOVE_SLICES: Final = 10
"""Slices above the uppermost one with pelvis that the network sees as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HipMaps:
    """What the hip network says, on the grid of the whole scan.

    Parameters
    ----------
    femur, sacrum : (slices, rows, columns) float32, read-only
        Probabilities, mean of the scan and its mirror image.
    passes : (slices, rows, columns) bool each, read-only
        Femora of either pass.
    """

    femur: NDArray[np.float32]
    sacrum: NDArray[np.float32]
    passes: tuple[NDArray[np.bool_], ...]


def find_hips(
    hu: NDArray[np.float32], spine: SpineProbabilities, device: str = "cpu"
) -> HipMaps | None:
    """Femora and sacrum of the lower part of a scan; ``None`` where it shows no pelvis.

    Parameters
    ----------
    hu : (slices, rows, columns) float32
        3 mm, axes up, posterior, left.
    """
    pelvis = spine.structures[list(PELVIS)].sum(axis=0) > 0.5
    if pelvis.sum() < LEAST_VOXELS:
        return None
    shown = np.flatnonzero(pelvis.sum(axis=(1, 2)) >= LEAST_IN_SLICE)
    if len(shown) == 0:
        return None
    top = min(len(hu), int(shown[-1]) + ABOVE_SLICES)
    lower = hu[:top]
    plain = hip_probabilities(HIP_MODEL, lower, device)
    mirrored = hip_probabilities(HIP_MODEL, np.ascontiguousarray(lower[..., ::-1]), device)
    both = (plain, mirrored[..., ::-1])
    mean = (both[0] + both[1]) / 2
    return HipMaps(
        femur=_whole(mean[HipPart.FEMUR], hu.shape),
        sacrum=_whole(mean[HipPart.SACRUM], hu.shape),
        passes=tuple(_whole(one[HipPart.FEMUR], hu.shape) > 0.5 for one in both),
    )


def _whole(lower: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A map of the lower slices on the grid of all; nothing above."""
    found = np.zeros(shape, np.float32)
    found[: len(lower)] = lower
    found.flags.writeable = False
    return found
