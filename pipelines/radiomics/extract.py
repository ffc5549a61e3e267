"""Extract the features of regions of one image, or return the reason why there are none.

Takes  ScalarImage, mask, FeatureSettings
Gives  RadiomicFeatures
Next   pipelines.reporting.sr_content
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import isfinite
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from pipelines.contract.feature_engine import Engine
from pipelines.contract.findings import Abstained
from pipelines.contract.reasons import Reason
from pipelines.errors import GeometryMismatch, UnreadablePixels
from pipelines.radiomics.cooccurrence import cooccurrence
from pipelines.radiomics.filters import filtered_images, image_names
from pipelines.radiomics.firstorder import first_order
from pipelines.radiomics.levels import Lattice, discretise, lattice
from pipelines.radiomics.reference import pyradiomics_features
from pipelines.radiomics.region import Region, ScalarImage, cut_region, tight_box
from pipelines.radiomics.settings import DIAGNOSTICS, FeatureSettings
from pipelines.radiomics.shape import shape_features
from pipelines.radiomics.sizes import dependences, runs, zones
from pipelines.radiomics.tones import tones
from pipelines.space.masks import connected_parts

COARSEST_MM: Final = 3.0
"""Studies 2 and 3 have slices of 1.25 mm. Texture of voxels over 3 mm describes the scanner."""
ROUNDING_MM: Final = 0.01
FEWEST_VOXELS: Final = 64
SMALLEST_EXTENT: Final = 4
"""Voxels along each axis: fewer is a sheet, not a body (and too few for a Laplacian of Gaussian)."""
THREADS: Final = 2

Found = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class RadiomicFeatures:
    """Features of one region.

    Parameters
    ----------
    values
        Finite numbers by their names in pyradiomics, in the order of the settings.
    settings, settings_digest
        Name and SHA-256 of the parameter file.
    engine
        Program that computed them.
    """

    values: Mapping[str, float]
    settings: str
    settings_digest: str
    engine: Engine = Engine.NATIVE


def extract_features(
    image: ScalarImage,
    masks: Sequence[NDArray[np.bool_]],
    settings: FeatureSettings,
    *,
    engine: Engine = Engine.NATIVE,
    threads: int = THREADS,
) -> tuple[RadiomicFeatures | Abstained, ...]:
    """Features of each region of one image.

    Parameters
    ----------
    image
        HU.
    masks : (slices, rows, columns) bool
        Regions on the grid of ``image``.
    engine
        Both engines refuse the same regions.
    threads
        Of the native engine, which splits its work by image and region.

    Raises
    ------
    EngineNotInstalled
        ``engine`` is not installed.
    GeometryMismatch
        A mask is not on the grid of the image.
    UnreadablePixels
        A region holds values that are not numbers.

    Abstains
    --------
    ``ROI_TOO_SMALL``
        Empty, fewer than 64 voxels, or fewer than four along an axis.
    ``TOO_COARSE``
        Voxels over 3 mm along an axis.
    ``ROI_FRAGMENTED``
        More than one connected part.
    ``ROI_UNIFORM``
        All values are the same, or a feature is not finite.
    ``IMPLAUSIBLE_ATTENUATION``
        More grey levels than CT numbers can have.
    """
    # The matrices are small: threads of the linear algebra library would only wait for each other.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        prepared = list(pool.map(lambda mask: _prepare(image, mask, settings), masks))
        if engine is Engine.PYRADIOMICS:
            return tuple(
                _by_pyradiomics(one, image, mask, settings)
                for one, mask in zip(prepared, masks, strict=True)
            )
        started = [_start(pool, one, settings) for one in prepared]
        return tuple(
            _collect(one, parts, image, settings)
            for one, parts in zip(prepared, started, strict=True)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """A region that can be measured, and the voxel count of its mask before resampling."""

    region: Region
    where: Lattice
    voxels: int


def _prepare(
    image: ScalarImage, mask: NDArray[np.bool_], settings: FeatureSettings
) -> _Prepared | Abstained:
    if mask.shape != image.values.shape:
        raise GeometryMismatch(
            f"mask {mask.shape}, image {image.values.shape}", "the same grid", "cut both alike"
        )
    box = tight_box(mask)
    if box is None or not _is_body(mask[box]):
        return Abstained(reason=Reason.ROI_TOO_SMALL)
    if image.spacing_mm.max() > COARSEST_MM + ROUNDING_MM:
        return Abstained(reason=Reason.TOO_COARSE)
    if _parts(mask[box]) > 1:
        return Abstained(reason=Reason.ROI_FRAGMENTED)
    region = cut_region(image, mask, box, settings.spacing_mm, settings.pad_voxels)
    if region is None or not _is_body(region.mask):
        return Abstained(reason=Reason.ROI_TOO_SMALL)
    if not np.isfinite(region.image).all():
        raise UnreadablePixels("values that are not numbers in or near the region", "HU", "")
    inside = region.image[region.box][region.mask]
    if inside.min() == inside.max():
        return Abstained(reason=Reason.ROI_UNIFORM)
    return _Prepared(region=region, where=lattice(region.mask), voxels=int(mask[box].sum()))


def _is_body(mask: NDArray[np.bool_]) -> bool:
    return min(mask.shape) >= SMALLEST_EXTENT and int(mask.sum()) >= FEWEST_VOXELS


def _parts(mask: NDArray[np.bool_]) -> int:
    """Number of 26-connected parts."""
    return len(connected_parts(mask, corners=True)[1]) - 1


def _start(
    pool: Executor, prepared: _Prepared | Abstained, settings: FeatureSettings
) -> dict[str, Future[Found | None]]:
    """Running computations for shape and images; keys are the prefixes of their feature names."""
    if isinstance(prepared, Abstained):
        return {}
    region = prepared.region
    parts: dict[str, Future[Found | None]] = {}
    for name, make in filtered_images(region, settings):
        parts[name] = pool.submit(_of_image, make, prepared, settings)
    if "shape" in settings.features:
        parts["shape"] = pool.submit(_of_shape, region)
    return parts


def _of_shape(region: Region) -> Found:
    found = shape_features(region.mask, region.spacing_mm)
    return {f"shape_{feature}": value for feature, value in found.items()}


def _of_image(
    make: Callable[[], NDArray[np.float32]], prepared: _Prepared, settings: FeatureSettings
) -> Found | None:
    """Features of one image by ``class_feature``; ``None``: too many grey levels."""
    region, where = prepared.region, prepared.where
    intensities = make()[region.mask]
    levels = discretise(intensities, where, settings.bin_width)
    if levels is None:
        return None
    voxel_mm3 = float(np.prod(region.spacing_mm))
    measures: dict[str, Callable[[], Found]] = {
        "firstorder": lambda: first_order(intensities, levels, voxel_mm3),
        "glcm": lambda: cooccurrence(levels, where, settings.features["glcm"]),
        "glrlm": lambda: runs(levels, where),
        "glszm": lambda: zones(levels, where),
        "gldm": lambda: dependences(levels, where),
        "ngtdm": lambda: tones(levels, where),
    }
    return {
        f"{kind}_{feature}": float(value)
        for kind, measure in measures.items()
        if kind in settings.features
        for feature, value in measure().items()
    }


def _collect(
    prepared: _Prepared | Abstained,
    parts: dict[str, Future[Found | None]],
    image: ScalarImage,
    settings: FeatureSettings,
) -> RadiomicFeatures | Abstained:
    if isinstance(prepared, Abstained):
        return prepared
    values: Found = {}
    if settings.diagnostics:
        described = (*image.mean_lowest_highest, float(prepared.voxels))
        values.update(zip(DIAGNOSTICS, described, strict=True))
    found = {name: part.result() for name, part in parts.items()}
    for name, kind, feature in _features(settings):
        source = found["shape" if kind == "shape" else name]
        if source is None:
            return Abstained(reason=Reason.IMPLAUSIBLE_ATTENUATION)
        values[f"{name}_{kind}_{feature}"] = float(source[f"{kind}_{feature}"])
    return _checked(values, settings, Engine.NATIVE)


def _features(settings: FeatureSettings) -> Iterator[tuple[str, str, str]]:
    """Image, class and name of every feature, in the order of the settings."""
    for name in image_names(settings):
        for kind, features in settings.features.items():
            if kind != "shape" or name == "original":
                yield from ((name, kind, feature) for feature in features)


def _by_pyradiomics(
    prepared: _Prepared | Abstained,
    image: ScalarImage,
    mask: NDArray[np.bool_],
    settings: FeatureSettings,
) -> RadiomicFeatures | Abstained:
    if isinstance(prepared, Abstained):
        return prepared
    if not _has_few_levels(prepared, settings):
        return Abstained(reason=Reason.IMPLAUSIBLE_ATTENUATION)
    found = pyradiomics_features(image, mask, settings)
    names = ["_".join(parts) for parts in _features(settings)]
    described = DIAGNOSTICS if settings.diagnostics else ()
    return _checked(
        {name: found[name] for name in (*described, *names)}, settings, Engine.PYRADIOMICS
    )


def _has_few_levels(prepared: _Prepared, settings: FeatureSettings) -> bool:
    """Whether the grey levels of every image fit into a matrix; pyradiomics does not check that."""
    region, where = prepared.region, prepared.where
    return all(
        discretise(make()[region.mask], where, settings.bin_width) is not None
        for _, make in filtered_images(region, settings)
    )


def _checked(
    values: Found, settings: FeatureSettings, engine: Engine
) -> RadiomicFeatures | Abstained:
    if not all(isfinite(value) for value in values.values()):
        return Abstained(reason=Reason.ROI_UNIFORM)
    return RadiomicFeatures(
        values=MappingProxyType(values),
        settings=settings.name,
        settings_digest=settings.digest,
        engine=engine,
    )
