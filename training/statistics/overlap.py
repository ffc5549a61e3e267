"""Agreement of two segmentations: Dice, surface distances (MONAI), volume difference."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance
from numpy.typing import NDArray

from training.statistics.errors import UnusableSample


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Agreement of one structure.

    Parameters
    ----------
    hausdorff95_mm, surface_distance_mm
        95th percentile and mean of the symmetric surface distance; infinite if one mask is empty.
    volume_difference_cm3
        Measured minus reference, signed, because a median of absolute differences hides failures
        (docs/domain.md D4).
    volume_difference_percent
        The same as a share of the reference.
    """

    dice: float
    hausdorff95_mm: float
    surface_distance_mm: float
    volume_difference_cm3: float
    volume_difference_percent: float


def overlap(
    measured: NDArray[np.bool_], reference: NDArray[np.bool_], spacing_mm: tuple[float, ...]
) -> Overlap:
    """Dice, surface distances and volume difference of two masks on one grid.

    Parameters
    ----------
    measured, reference : (slices, rows, columns) bool
    spacing_mm
        In the order of the axes.

    Raises
    ------
    UnusableSample
        The grids differ, or the reference is empty.
    """
    if measured.shape != reference.shape or measured.ndim != len(spacing_mm):
        raise UnusableSample(
            f"masks of shape {measured.shape} and {reference.shape}, spacing {spacing_mm}",
            "one grid",
        )
    if not reference.any():
        raise UnusableSample("the reference mask is empty", "a structure to compare with")
    voxel_cm3 = math.prod(spacing_mm) / 1000
    sizes = np.count_nonzero(measured), np.count_nonzero(reference)
    common = np.count_nonzero(measured & reference)
    hausdorff, surface = math.inf, math.inf
    if measured.any():
        hausdorff, surface = _surface_distances(measured, reference, spacing_mm)
    return Overlap(
        dice=2 * common / (sizes[0] + sizes[1]),
        hausdorff95_mm=hausdorff,
        surface_distance_mm=surface,
        volume_difference_cm3=(sizes[0] - sizes[1]) * voxel_cm3,
        volume_difference_percent=100 * (sizes[0] - sizes[1]) / sizes[1],
    )


def _surface_distances(
    measured: NDArray[np.bool_], reference: NDArray[np.bool_], spacing_mm: tuple[float, ...]
) -> tuple[float, float]:
    """Return 95th percentile and mean over both surfaces, computed in the box around them."""
    box = tuple(
        slice(max(0, int(where.min()) - 1), int(where.max()) + 2)
        for where in np.nonzero(measured | reference)
    )
    found, wanted = (
        torch.from_numpy(mask[box].astype(np.float32))[None, None] for mask in (measured, reference)
    )
    spacing = list(spacing_mm)
    with warnings.catch_warnings():
        # MONAI 1.6 calls its own function with a deprecated argument.
        warnings.filterwarnings(
            "ignore", message=".*always_return_as_numpy", category=FutureWarning
        )
        hausdorff = compute_hausdorff_distance(
            found, wanted, include_background=True, percentile=95, spacing=spacing
        )
        surface = compute_average_surface_distance(
            found, wanted, include_background=True, symmetric=True, spacing=spacing
        )
    return float(hausdorff), float(surface)
