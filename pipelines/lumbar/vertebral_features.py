"""Extract the radiomic features of the vertebral bodies of one examination.

Takes  CtVolume, LumbarResult
Gives  LevelFeatures
Next   pipelines.reporting.radiomics
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from pipelines.contract.anatomy import Level
from pipelines.contract.feature_engine import Engine
from pipelines.contract.findings import Abstained
from pipelines.contract.reasons import Reason
from pipelines.lumbar.measure import LumbarResult
from pipelines.radiomics.extract import RadiomicFeatures, extract_features
from pipelines.radiomics.region import ScalarImage
from pipelines.radiomics.settings import FeatureSettings, feature_settings
from pipelines.read.volume import CtVolume

NO_TEXTURE: Final = (Reason.SHARP_KERNEL, Reason.GANTRY_TILT)
"""Reasons for which density is given and texture is withheld: noise and overshoot of a sharp
kernel, oblique sampling of a tilted stack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelFeatures:
    """Features of one vertebral body, cortex included (the region of study 2)."""

    level: Level
    features: RadiomicFeatures | Abstained


def vertebral_features(
    ct: CtVolume,
    result: LumbarResult,
    settings: FeatureSettings | None = None,
    *,
    engine: Engine = Engine.NATIVE,
) -> tuple[LevelFeatures, ...]:
    """Features of each vertebra of the findings, or the reason why they are withheld.

    Parameters
    ----------
    settings
        ``study2_product`` if not given.

    Abstains
    --------
    the reason of the level
        It is excluded from the mean (fracture, metal, lesion, incomplete, ...).
    ``SHARP_KERNEL``, ``GANTRY_TILT``
        Density is given, texture is not.
    see `extract_features`
        for the rest.
    """
    chosen = settings or feature_settings("study2_product")
    image = ScalarImage(values=ct.hu, spacing_mm=ct.geometry.spacing_mm)
    unfit = next((reason for reason in NO_TEXTURE if reason in result.findings.reasons), None)
    regions = {region.level: region for region in result.regions}
    found = []
    for row in result.findings.vertebrae:
        why = row.excluded_reason or unfit
        if row.level not in regions:
            why = why or Reason.ROI_TOO_SMALL
        if why is not None:
            found.append(LevelFeatures(level=row.level, features=Abstained(reason=why)))
            continue
        region = regions[row.level]
        mask = np.zeros(ct.hu.shape, bool)
        mask[region.box] = region.body
        (features,) = extract_features(image, [mask], chosen, engine=engine)
        found.append(LevelFeatures(level=row.level, features=features))
    return tuple(found)
