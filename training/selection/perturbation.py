"""Simulate repeated segmentations of one mask by other readers.

Without a second segmentation, the reproducibility of a feature is measured on masks that are shrunk,
grown, shifted and roughened (Zwanenburg et al., Sci Rep 2019;9:614 perturb in these ways; here the
contour is roughened by a smooth random field on the signed distance instead of supervoxels).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, shift

from training.statistics.errors import UnusableSample
from training.statistics.sample import FloatArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Differences between the contours of two readers (one standard deviation each).

    Parameters
    ----------
    offset_mm
        Shift of the whole contour inwards or outwards.
    shift_mm
        Shift of the whole mask along each axis.
    roughness_mm
        Local shift of the contour, correlated over ``correlation_mm``.
    """

    offset_mm: float = 0.5
    shift_mm: float = 0.3
    roughness_mm: float = 0.5
    correlation_mm: float = 5.0


def repeated_masks(
    mask: Mask,
    spacing_mm: tuple[float, float, float],
    n: int,
    *,
    reader: Reader = Reader(),
    seed: int = 0,
) -> list[Mask]:
    """Return ``n`` further segmentations of ``mask``; equal seeds give equal masks.

    Parameters
    ----------
    mask : (slices, rows, columns) bool
    spacing_mm
        In the order of the axes.

    Raises
    ------
    UnusableSample
        The mask is empty, or vanishes under the perturbation.
    """
    if not mask.any():
        raise UnusableSample("the mask is empty", "a structure to segment again")
    draws = np.random.default_rng(seed)
    depth = _depth_mm(mask, spacing_mm)
    found = []
    for _ in range(n):
        moved = shift(
            depth, draws.normal(0, reader.shift_mm, 3) / spacing_mm, order=1, mode="nearest"
        )
        field = _smooth_noise(mask.shape, spacing_mm, reader.correlation_mm, draws)
        again = moved + draws.normal(0, reader.offset_mm) + reader.roughness_mm * field > 0
        if not again.any():
            raise UnusableSample(
                f"a mask of {np.count_nonzero(mask)} voxels vanished",
                "more than the reader's error",
            )
        found.append(again)
    return found


def _depth_mm(mask: Mask, spacing_mm: tuple[float, float, float]) -> FloatArray:
    """Return the distance to the contour, positive inside; 0 is between the voxels."""
    half = min(spacing_mm) / 2
    inside = np.maximum(distance_transform_edt(mask, sampling=spacing_mm) - half, 0)
    outside = np.maximum(distance_transform_edt(~mask, sampling=spacing_mm) - half, 0)
    return np.where(mask, inside + 1e-6, -outside - 1e-6)


def _smooth_noise(
    shape: tuple[int, ...],
    spacing_mm: tuple[float, float, float],
    correlation_mm: float,
    draws: np.random.Generator,
) -> FloatArray:
    """Return a random field of mean 0 and standard deviation 1."""
    noise = draws.standard_normal(shape)
    smooth = gaussian_filter(noise, [correlation_mm / step for step in spacing_mm], mode="wrap")
    spread = smooth.std()
    return np.asarray(smooth / spread if spread > 0 else np.zeros(shape))
