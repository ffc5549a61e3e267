"""Regions with known difficulties, and their features by pyradiomics."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.radiomics.region import ScalarImage
from pipelines.radiomics.settings import FeatureSettings


@dataclass(frozen=True, kw_only=True)
class Case:
    """An image and a region in it."""

    image: ScalarImage
    mask: NDArray[np.bool_]


def ellipsoid(
    *,
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
    radii_mm: tuple[float, float, float] = (9.0, 7.0, 11.0),
    seed: int = 1,
    noise_hu: float = 90.0,
) -> Case:
    """Smoothly textured bone-like ellipsoid in soft tissue, off centre in its image."""
    rng = np.random.default_rng(seed)
    spacing = np.asarray(spacing_mm)
    shape = np.ceil((2 * np.asarray(radii_mm) + 16) / spacing).astype(int)
    centre = (shape - 1) * spacing * np.array([0.52, 0.47, 0.5])
    places = np.moveaxis(np.indices(tuple(shape)), 0, -1) * spacing
    radius = (((places - centre) / radii_mm) ** 2).sum(axis=-1)
    mask = radius <= 1
    texture = ndimage.gaussian_filter(rng.normal(size=shape), 1.0 / spacing)
    hu = 40 + 110 * mask + 250 * np.exp(-(((radius - 0.9) / 0.15) ** 2))
    hu = np.round(hu + noise_hu * texture / texture.std())
    return Case(
        image=ScalarImage(values=hu.astype(np.float32), spacing_mm=spacing.astype(np.float64)),
        mask=mask,
    )


def rough() -> Case:
    """Mask full of holes, bridges and corners: every case of the marching cubes occurs."""
    smooth = ellipsoid(seed=3)
    rng = np.random.default_rng(4)
    mask = smooth.mask & (rng.random(smooth.mask.shape) < 0.6)
    parts, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return Case(image=smooth.image, mask=parts == sizes.argmax())


def few_levels() -> Case:
    """Nearly all voxels have one of two grey levels."""
    smooth = ellipsoid(seed=5, noise_hu=1.0)
    hu = np.where(ndimage.gaussian_filter(smooth.image.values, 2) > 190, 210, 160)
    return Case(
        image=ScalarImage(values=hu.astype(np.float32), spacing_mm=smooth.image.spacing_mm),
        mask=smooth.mask,
    )


def specks() -> Case:
    """A few voxels far brighter and darker than all others: gaps between the grey levels."""
    smooth = ellipsoid(seed=6)
    hu = smooth.image.values.copy()
    inside = np.argwhere(smooth.mask)
    for index, value in zip((10, 11, 500, 900, -3), (2600, 2610, -900, 3000, 1800), strict=True):
        hu[tuple(inside[index])] = value
    return Case(image=ScalarImage(values=hu, spacing_mm=smooth.image.spacing_mm), mask=smooth.mask)


def at_the_border() -> Case:
    """The region reaches three faces of the image: the padding of the filters is cut off there."""
    whole = ellipsoid(seed=7)
    cut = (slice(9, None), slice(10, None), slice(None, 27))
    return Case(
        image=ScalarImage(
            values=np.ascontiguousarray(whole.image.values[cut]),
            spacing_mm=whole.image.spacing_mm,
        ),
        mask=whole.mask[cut],
    )


CASES: dict[str, Callable[[], Case]] = {
    "isotropic": ellipsoid,
    "lumbar CT": lambda: ellipsoid(spacing_mm=(1.25, 0.7, 0.7), seed=2),
    "anisotropic": lambda: ellipsoid(spacing_mm=(3.0, 0.8, 1.1), seed=8),
    "half-way grid": lambda: ellipsoid(spacing_mm=(1.5, 1.5, 3.0), seed=9),
    "rough": rough,
    "few levels": few_levels,
    "specks": specks,
    "at the border": at_the_border,
}


def reference(case: Case, settings: FeatureSettings) -> dict[str, float]:
    """Features by pyradiomics for the same parameter file."""
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    image = sitk.GetImageFromArray(case.image.values)
    mask = sitk.GetImageFromArray(case.mask.astype(np.uint8))
    for one in (image, mask):
        one.SetSpacing([float(step) for step in case.image.spacing_mm[::-1]])
    with warnings.catch_warnings():
        # pykwalify, which reads its parameter file, loads modules in an old way.
        warnings.simplefilter("ignore", DeprecationWarning)
        extractor = RadiomicsFeatureExtractor(str(settings.path))
        found: dict[str, Any] = extractor.execute(image, mask)
    return {name: float(value) for name, value in found.items() if _is_number(value)}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) or (
        isinstance(value, np.ndarray) and value.ndim == 0
    )
