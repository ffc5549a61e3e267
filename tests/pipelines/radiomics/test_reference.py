"""Every feature agrees with pyradiomics to one part in a million."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from pipelines.radiomics.extract import RadiomicFeatures, extract_features
from pipelines.radiomics.region import ScalarImage
from pipelines.radiomics.settings import DIAGNOSTICS, SettingsName, feature_settings
from tests.pipelines.radiomics.regions import CASES, Case, ellipsoid, reference

SETTINGS: tuple[SettingsName, ...] = ("study2_faithful", "study2_product", "study3")
COUNT = {"study2_faithful": 111, "study2_product": 107, "study3": 1184}
"""docs/domain.md 1.B, 1.D: 107 original features and 4 diagnostics; 14 of shape and 90 of each of 13 images."""
RELATIVE = 1e-6


def extracted(case: Case, name: SettingsName) -> RadiomicFeatures:
    (found,) = extract_features(case.image, [case.mask], feature_settings(name))
    assert isinstance(found, RadiomicFeatures), found
    return found


def differing(case: Case, name: SettingsName) -> list[str]:
    """Features that differ, with both values."""
    ours = extracted(case, name).values
    theirs = reference(case, feature_settings(name))
    computed = {key for key in theirs if not key.startswith("diagnostics")}
    assert set(ours) - set(DIAGNOSTICS) == computed
    return [
        f"{key}: {value!r}, pyradiomics {theirs[key]!r}"
        for key, value in ours.items()
        if abs(value - theirs[key]) > RELATIVE * max(abs(value), abs(theirs[key]))
    ]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["study2_faithful", "study2_product"])
def test_original_features_agree_with_pyradiomics(case: str, name: SettingsName) -> None:
    """On smooth, rough, anisotropic, truncated and nearly flat regions."""
    assert differing(CASES[case](), name) == []


@pytest.mark.parametrize("case", ["lumbar CT", "half-way grid", "at the border"])
def test_filtered_features_agree_with_pyradiomics(case: str) -> None:
    """Wavelets and Laplacians of Gaussians, down to the rounding of grey levels."""
    assert differing(CASES[case](), "study3") == []


@pytest.mark.data
def test_a_real_vertebra_agrees_with_pyradiomics(data: Path) -> None:
    """The vertebra L3 of a clinical CT: 1184 features."""
    hu: Any = nibabel.load(data / "ct" / "l3_crop_ct.nii.gz")
    labels: Any = nibabel.load(data / "ct" / "l3_crop_vertebrae.nii.gz")
    case = Case(
        image=ScalarImage(
            values=np.asarray(hu.dataobj, np.float32),
            spacing_mm=np.asarray(hu.header.get_zooms(), np.float64),
        ),
        mask=np.asarray(labels.dataobj) == 22,
    )

    assert differing(case, "study3") == []


@pytest.mark.parametrize("name", SETTINGS)
def test_the_study_had_so_many_features(name: SettingsName) -> None:
    """The studies state 129 and 1184 features; study 2 dropped 18 constant ones."""
    found = extracted(ellipsoid(), name)

    assert len(found.values) == COUNT[name]
    assert found.settings == name
    assert found.settings_digest == feature_settings(name).digest


def test_several_regions_of_one_image_do_not_mix() -> None:
    """Together as alone, in any order, on any number of threads."""
    case = ellipsoid()
    half = case.mask.copy()
    half[: half.shape[0] // 2] = False
    settings = feature_settings("study2_product")

    together = extract_features(case.image, [case.mask, half, case.mask], settings, threads=3)

    (alone,) = extract_features(case.image, [half], settings, threads=1)
    assert together[1] == alone
    assert together[0] == together[2] != alone


def test_the_image_is_not_changed() -> None:
    """Arrays of a CT are read-only and stay as they are."""
    case = ellipsoid()
    before = case.image.values.copy()
    case.image.values.flags.writeable = False
    case.mask.flags.writeable = False

    extracted(case, "study3")

    assert np.array_equal(case.image.values, before)
