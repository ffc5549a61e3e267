"""The images that features are taken from: the original, Laplacians of Gaussians, wavelets."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import numpy as np
import pywt
from numpy.typing import NDArray

from pipelines.radiomics.gaussian import laplacian_of_gaussian
from pipelines.radiomics.region import Region
from pipelines.radiomics.settings import FeatureSettings

WAVELET: Final = "coif1"
WAVELETS: Final = ("LLH", "LHL", "LHH", "HLL", "HLH", "HHL", "HHH", "LLL")
"""Low or high pass along columns, rows, slices."""

Image = NDArray[np.float32]


def image_names(settings: FeatureSettings) -> tuple[str, ...]:
    """Names of the images, in the order of their features."""
    wavelets = WAVELETS if settings.wavelet else ()
    return (
        "original",
        *(_laplacian_name(sigma_mm) for sigma_mm in settings.log_sigmas_mm),
        *(f"wavelet-{name}" for name in wavelets),
    )


def _laplacian_name(sigma_mm: float) -> str:
    return f"log-sigma-{str(sigma_mm).replace('.', '-')}-mm-3D"


def filtered_images(
    region: Region, settings: FeatureSettings
) -> Iterator[tuple[str, Callable[[], Image]]]:
    """Name of each image and the function that makes it, the slow ones first.

    Returns
    -------
    (slices, rows, columns) float32
        In the box of ``region``.

    Source
    ------
    pyradiomics, ``imageoperations.getLoGImage`` and ``getWaveletImage``.
    """
    for sigma_mm in settings.log_sigmas_mm:
        yield _laplacian_name(sigma_mm), partial(_laplacian, region, sigma_mm)
    yield "original", partial(_original, region)
    if settings.wavelet:
        for name, image in _wavelets(region).items():
            yield f"wavelet-{name}", partial(np.asarray, image)


def _original(region: Region) -> Image:
    return region.image[region.box]


def _laplacian(region: Region, sigma_mm: float) -> Image:
    return laplacian_of_gaussian(region.image, region.box, region.spacing_mm, sigma_mm)


def _wavelets(region: Region) -> dict[str, Image]:
    """One level of the stationary wavelet transform."""
    shape = region.image.shape
    # The transform needs even sizes: an odd one is continued by its first element.
    even = np.pad(region.image, [(0, size % 2) for size in shape], "wrap")
    parts = pywt.swtn(even, WAVELET, level=1, axes=(2, 1, 0))[0]
    return {name: parts[name.replace("L", "a").replace("H", "d")][region.box] for name in WAVELETS}
