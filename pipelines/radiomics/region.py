"""Cut a region out of an image: its box, its mask, resampled where the settings say so.

Takes  ScalarImage, mask
Gives  Region
Next   pipelines.radiomics.filters
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import SimpleITK as sitk  # noqa: N813  its usual name
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.errors import GeometryMismatch
from pipelines.space.coordinates import Box

SUPPORT: Final = 32
"""Voxels of the CT kept around the region when it is resampled. The cubic B-spline prefilter decays
by 0.27 a voxel, so what lies beyond changes a value by less than one part in 10^17."""


@dataclass(frozen=True, kw_only=True)
class ScalarImage:
    """An image on a rectangular grid.

    Parameters
    ----------
    values : (slices, rows, columns) float32
    spacing_mm : (3,)
        slices, rows, columns.
    """

    values: NDArray[np.float32]
    spacing_mm: NDArray[np.float64]

    @cached_property
    def mean_lowest_highest(self) -> tuple[float, float, float]:
        """Over the whole image."""
        return (
            float(self.values.mean(dtype=np.float64)),
            float(self.values.min()),
            float(self.values.max()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A region with its surroundings.

    Parameters
    ----------
    image : (slices, rows, columns) float32
        The box of the region, padded where a filter needs surroundings.
    mask : (slices, rows, columns) bool
        In the tight box.
    box
        The tight box within ``image``.
    """

    image: NDArray[np.float32]
    mask: NDArray[np.bool_]
    box: Box
    spacing_mm: NDArray[np.float64]


def tight_box(mask: NDArray[np.bool_]) -> Box | None:
    """Smallest box that holds every voxel of a mask; ``None`` for an empty one."""
    ranges = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        present = np.flatnonzero(mask.any(axis=others))
        if len(present) == 0:
            return None
        ranges.append(slice(int(present[0]), int(present[-1]) + 1))
    return ranges[0], ranges[1], ranges[2]


def cut_region(
    image: ScalarImage,
    mask: NDArray[np.bool_],
    box: Box,
    grid_mm: tuple[float, float, float] | None,
    pad: int,
) -> Region | None:
    """Region on its grid; ``None`` where the mask has no voxel on the new grid.

    Parameters
    ----------
    mask : (slices, rows, columns)
        On the grid of ``image``.
    box
        `tight_box` of ``mask``.
    grid_mm
        Spacing to resample to (slices, rows, columns); ``None``: none.

    Raises
    ------
    GeometryMismatch
        Mask and image differ in shape.

    Source
    ------
    pyradiomics, ``imageoperations.resampleImage`` and ``cropToTumorMask``: the same grid, but only
    the surroundings of the region are filtered and interpolated.
    """
    if mask.shape != image.values.shape:
        raise GeometryMismatch(f"mask {mask.shape}, image {image.values.shape}", "one grid", "")
    if grid_mm is None or np.allclose(image.spacing_mm, grid_mm):
        wide = _widened(box, pad, mask.shape)
        return _region(image.values[wide], mask[wide], image.spacing_mm)
    return _resampled(image, mask, box, np.asarray(grid_mm, np.float64), pad)


def _region(
    values: NDArray[np.float32], mask: NDArray[np.bool_], spacing_mm: NDArray[np.float64]
) -> Region | None:
    box = tight_box(mask)
    if box is None:
        return None
    return Region(
        image=np.ascontiguousarray(values), mask=mask[box], box=box, spacing_mm=spacing_mm
    )


def _widened(box: Box, margin: int, shape: tuple[int, ...]) -> Box:
    a, b, c = (
        slice(max(0, part.start - margin), min(size, part.stop + margin))
        for part, size in zip(box, shape, strict=True)
    )
    return a, b, c


def _resampled(
    image: ScalarImage,
    mask: NDArray[np.bool_],
    box: Box,
    grid_mm: NDArray[np.float64],
    pad: int,
) -> Region | None:
    start = np.array([part.start for part in box])
    stop = np.array([part.stop for part in box])
    # A mask of one slice stays in it, as in pyradiomics.
    grid_mm = np.where(stop - start > 1, grid_mm, image.spacing_mm)
    ratio = image.spacing_mm / grid_mm
    low = np.maximum(np.floor((start - 0.5) * ratio - pad), 0)
    last = np.ceil(np.array(mask.shape) * ratio) - 1
    high = np.minimum(np.ceil((stop - 0.5) * ratio + pad), last)
    # First new voxel in the old grid, whose corner both share; written as in pyradiomics, so that
    # it rounds alike (see _nearest).
    first = 0.5 * (grid_mm - image.spacing_mm) / image.spacing_mm + low / ratio
    count = (high - low + 1).astype(int)
    support = _widened(box, SUPPORT, mask.shape)
    values = image.values[support].astype(np.float64)
    for axis in range(3):
        indices = first[axis] + np.arange(count[axis]) / ratio[axis] - support[axis].start
        weights = _cubic_spline(values.shape[axis], indices)
        values = np.moveaxis(np.tensordot(weights, values, axes=(1, axis)), 0, axis)
    new_mask = _nearest(mask, box, image.spacing_mm, grid_mm, first, count)
    return _region(values.astype(np.float32), new_mask, grid_mm)


def _cubic_spline(size: int, indices: NDArray[np.float64]) -> NDArray[np.float64]:
    """(indices, size): what each sample adds to the interpolating cubic B-spline at the indices.

    The samples are mirrored at both ends; more than half a voxel beyond them the value is 0, as
    in ITK.
    """
    base = np.floor(indices).astype(int)
    t = indices - base
    shares = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, 1 + 3 * t + 3 * t**2 - 3 * t**3, t**3)
    basis = np.zeros((len(indices), size))
    inside = np.flatnonzero((indices >= -0.5) & (indices <= size - 0.5))
    for offset, share in zip((-1, 0, 1, 2), shares, strict=True):
        knot = np.abs(base + offset)
        knot = np.minimum(knot, 2 * (size - 1) - knot)
        basis[inside, knot[inside]] += share[inside] / 6
    coefficients = ndimage.spline_filter1d(np.eye(size), order=3, axis=0, mode="mirror")
    return np.asarray(basis @ coefficients)


def _nearest(
    mask: NDArray[np.bool_],
    box: Box,
    spacing_mm: NDArray[np.float64],
    grid_mm: NDArray[np.float64],
    first: NDArray[np.float64],
    count: NDArray[np.int_],
) -> NDArray[np.bool_]:
    """The mask on the new grid, by ITK itself: it decides where a point lies half-way.

    The mask keeps its first voxel, because a moved origin would round such points otherwise.
    """
    upto = tuple(
        slice(min(size, part.stop + 1)) for part, size in zip(box, mask.shape, strict=True)
    )
    label = sitk.GetImageFromArray(np.ascontiguousarray(mask[upto], dtype=np.uint8))
    label.SetSpacing(_xyz(spacing_mm))
    resampler = sitk.ResampleImageFilter()
    resampler.SetInterpolator(sitk.sitkNearestNeighbor)
    resampler.SetOutputSpacing(_xyz(grid_mm))
    resampler.SetOutputOrigin(_xyz(first * spacing_mm))
    resampler.SetSize([int(size) for size in count[::-1]])
    return np.asarray(sitk.GetArrayFromImage(resampler.Execute(label)) > 0)


def _xyz(vector: NDArray[np.float64]) -> list[float]:
    """SimpleITK counts columns, rows, slices."""
    return [float(part) for part in vector[::-1]]
