"""The digital phantom of the Image Biomarker Standardisation Initiative: its consensus values."""

import json
from dataclasses import replace
from math import floor, log10
from pathlib import Path

import numpy as np
import pytest

from pipelines.radiomics.extract import RadiomicFeatures, extract_features
from pipelines.radiomics.region import ScalarImage
from pipelines.radiomics.settings import feature_settings
from pipelines.reporting import codes

PHANTOM = json.loads((Path(__file__).parent / "ibsi_digital_phantom.json").read_text())
VOXELS = 74
SAMPLE_COVARIANCE = {"TDIC", "P9VJ", "7J51"}
"""Axis lengths: the consensus divides the covariance by N - 1, pyradiomics by N. That is one part
in 150 for the 74 voxels of the phantom, and one in 200 000 for a femur."""
BY_CODE = {code.value: name for name, code in codes.IBSI.items()}


@pytest.fixture(scope="module")
def features() -> dict[str, float]:
    """Of the phantom as it is: levels of width 1, no resampling."""
    voxels = np.array(PHANTOM["voxels"], np.float32)
    image = ScalarImage(values=voxels, spacing_mm=np.full(3, PHANTOM["spacing_mm"]))
    settings = replace(feature_settings("study2_faithful"), bin_width=1)
    (found,) = extract_features(image, [voxels != PHANTOM["outside"]], settings)
    assert isinstance(found, RadiomicFeatures)
    return dict(found.values)


def test_the_phantom_is_the_published_one() -> None:
    """Levels 2 and 5 are absent (IBSI manual, 5.1)."""
    voxels = np.array(PHANTOM["voxels"])

    assert voxels.shape == (4, 4, 5)
    assert (voxels != PHANTOM["outside"]).sum() == VOXELS
    assert set(np.unique(voxels)) == {0, 1, 3, 4, 6}


@pytest.mark.parametrize("code", PHANTOM["consensus"])
def test_consensus_value(features: dict[str, float], code: str) -> None:
    """As published: within the tolerance, or equal in the three digits that are given."""
    published, *tolerance = PHANTOM["consensus"][code]
    value = features[f"original_{BY_CODE[code]}"]
    if code in SAMPLE_COVARIANCE:
        value *= (VOXELS / (VOXELS - 1)) ** 0.5
    half_digit = 0.5 * 10.0 ** (floor(log10(abs(published))) - 2)

    assert value == pytest.approx(published, abs=tolerance[0] if tolerance else half_digit * 1.01)


def test_every_feature_with_an_ibsi_code_has_a_consensus_value() -> None:
    """Each feature with an IBSI code is tested with the consensus value."""
    assert set(BY_CODE) == set(PHANTOM["consensus"])


def test_every_feature_is_coded_once() -> None:
    """By IBSI, or privately where IBSI has none or defines it otherwise."""
    named = {
        f"{kind}_{name}"
        for kind, names in feature_settings("study2_product").features.items()
        for name in names
    }

    assert set(codes.IBSI) | set(codes.RADIOMICS_WITHOUT_IBSI) == named
    assert not set(codes.IBSI) & set(codes.RADIOMICS_WITHOUT_IBSI)
