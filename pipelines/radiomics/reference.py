"""Compute the features of one region with pyradiomics, which is imported only when it is used.

Takes  ScalarImage, mask, FeatureSettings
Gives  values by feature name
Next   pipelines.radiomics.extract
"""

import json
import logging
import warnings
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813  its usual name
from numpy.typing import NDArray

from pipelines.contract.feature_engine import Engine, require_engine
from pipelines.radiomics.region import SUPPORT, ScalarImage, tight_box
from pipelines.radiomics.settings import FeatureSettings


def pyradiomics_features(
    image: ScalarImage, mask: NDArray[np.bool_], settings: FeatureSettings
) -> dict[str, float]:
    """What pyradiomics computes, by its own names, for the parameter file of the settings.

    Parameters
    ----------
    mask : (slices, rows, columns) bool
        On the grid of ``image``; not empty.

    Raises
    ------
    EngineNotInstalled
        pyradiomics is not installed.
    """
    require_engine(Engine.PYRADIOMICS)
    with warnings.catch_warnings():
        # pykwalify, which reads the parameters, loads modules in an old way.
        warnings.simplefilter("ignore", DeprecationWarning)
        from radiomics.featureextractor import RadiomicsFeatureExtractor

        # It logs hints, such as that a matrix is symmetrical, for every region.
        logging.getLogger("radiomics").setLevel(logging.ERROR)
        extractor = RadiomicsFeatureExtractor(_parameters(settings))
        found = extractor.execute(*_with_surroundings(image, mask, settings))
    return {name: float(value) for name, value in found.items() if _is_number(value)}


def _parameters(settings: FeatureSettings) -> dict[str, Any]:
    """The parameter file, without the images and classes that the settings leave out."""
    read: dict[str, Any] = json.loads(settings.path.read_text("utf-8"))
    images = dict(read["imageType"])
    if settings.log_sigmas_mm:
        images["LoG"] = images["LoG"] | {"sigma": list(settings.log_sigmas_mm)}
    else:
        images.pop("LoG", None)
    if not settings.wavelet:
        images.pop("Wavelet", None)
    classes = {kind: list(names) for kind, names in settings.features.items()}
    return read | {"imageType": images, "featureClass": classes}


def _with_surroundings(
    image: ScalarImage, mask: NDArray[np.bool_], settings: FeatureSettings
) -> tuple[sitk.Image, sitk.Image]:
    """Image and mask for SimpleITK.

    Both keep their first voxel, because the new grid starts there. They end beyond the region where
    nothing adds to the interpolated values any more, unless the whole image is described.
    """
    values = image.values
    box = None if settings.diagnostics else tight_box(mask)
    if box is not None:
        upto = tuple(slice(part.stop + SUPPORT) for part in box)
        values, mask = values[upto], mask[upto]
    both = sitk.GetImageFromArray(values), sitk.GetImageFromArray(mask.astype(np.uint8))
    for one in both:
        one.SetSpacing([float(step) for step in image.spacing_mm[::-1]])
    return both


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) or (
        isinstance(value, np.ndarray) and value.ndim == 0
    )
