"""Load the feature settings: parameter files of pyradiomics, one per study and mode.

Takes  study2_faithful.json, study2_product.json, study3.json
Gives  FeatureSettings
Next   pipelines.radiomics.extract
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

from pipelines.radiomics.cooccurrence import GLCM_FEATURES
from pipelines.radiomics.firstorder import FIRST_ORDER_FEATURES
from pipelines.radiomics.shape import SHAPE_FEATURES
from pipelines.radiomics.sizes import GLDM_FEATURES, GLRLM_FEATURES, GLSZM_FEATURES
from pipelines.radiomics.tones import NGTDM_FEATURES

FOLDER: Final = Path(__file__).parent
SettingsName = Literal["study2_faithful", "study2_product", "study3"]
DIAGNOSTICS: Final = (
    "diagnostics_Image-original_Mean",
    "diagnostics_Image-original_Minimum",
    "diagnostics_Image-original_Maximum",
    "diagnostics_Mask-original_VoxelNum",
)
"""The numeric diagnostics that study 2 kept among its 111 features; three of them describe the
whole image, so they describe the field of view and not the bone."""
ALL_FEATURES: Final = {
    "shape": SHAPE_FEATURES,
    "firstorder": FIRST_ORDER_FEATURES,
    "glcm": GLCM_FEATURES,
    "glrlm": GLRLM_FEATURES,
    "glszm": GLSZM_FEATURES,
    "gldm": GLDM_FEATURES,
    "ngtdm": NGTDM_FEATURES,
}
"""Features of each class, as pyradiomics names them; none that it marks as deprecated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSettings:
    """Settings of one extraction.

    Parameters
    ----------
    bin_width
        Width of a grey level, HU; levels are counted from a multiple of it (fixed bin size).
    spacing_mm
        Grid that image and mask are resampled to, cubic B-spline and nearest neighbour;
        ``None``: the grid of the CT.
    pad_voxels
        Margin of that grid around the region, seen by the filters.
    log_sigmas_mm
        Laplacian of Gaussian images, one per width.
    wavelet
        Whether the eight images of one level of the stationary wavelet transform (coif1) are used.
    features
        Names by class.
    diagnostics
        Whether `DIAGNOSTICS` are added.
    digest
        SHA-256 of the parameter file, hexadecimal; results state it with the features.
    """

    name: SettingsName
    bin_width: float
    spacing_mm: tuple[float, float, float] | None
    pad_voxels: int
    log_sigmas_mm: tuple[float, ...]
    wavelet: bool
    features: dict[str, tuple[str, ...]]
    diagnostics: bool
    digest: str

    @property
    def path(self) -> Path:
        """The parameter file, for pyradiomics itself."""
        return FOLDER / f"{self.name}.json"


@cache
def feature_settings(name: SettingsName) -> FeatureSettings:
    """Settings by name.

    ``study2_faithful`` is what study 2 reports (107 features and 4 diagnostics on the grid of the
    CT), ``study2_product`` the same 107 on a grid of 1 mm, ``study3`` the 1184 of study 3: 14 of
    shape, and 90 of each of 13 images.

    Source
    ------
    Study 2 and study 3, methods; the number of features determines what they do not state. Study 3 has
    21 of the 24 co-occurrence features and does not name them. Left out here: MCC, which IBSI does
    not define, and SumAverage and SumSquares, which JointAverage and ClusterTendency with
    Contrast determine. Nor does it name the widths of its four Laplacian of Gaussian images.
    """
    content = (FOLDER / f"{name}.json").read_bytes()
    read = json.loads(content)
    setting = read["setting"]
    spacing = setting.get("resampledPixelSpacing")
    images = read["imageType"]
    return FeatureSettings(
        name=name,
        bin_width=setting["binWidth"],
        spacing_mm=(spacing[0], spacing[1], spacing[2]) if spacing else None,
        pad_voxels=setting["padDistance"],
        log_sigmas_mm=tuple(images.get("LoG", {}).get("sigma", ())),
        wavelet="Wavelet" in images,
        features={
            kind: tuple(names) or ALL_FEATURES[kind] for kind, names in read["featureClass"].items()
        },
        diagnostics=name == "study2_faithful",
        digest=hashlib.sha256(content).hexdigest(),
    )
