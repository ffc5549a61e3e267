"""Bad input results in a typed error or a coded abstention, never a number."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipelines.contract.findings import Abstained
from pipelines.contract.reasons import Reason
from pipelines.errors import GeometryMismatch, UnreadablePixels
from pipelines.radiomics.extract import RadiomicFeatures, extract_features
from pipelines.radiomics.region import ScalarImage
from pipelines.radiomics.settings import SettingsName, feature_settings
from tests.pipelines.radiomics.regions import Case, ellipsoid

ALL: list[SettingsName] = ["study2_faithful", "study2_product", "study3"]


def reason(case: Case, name: SettingsName = "study2_product") -> Reason | None:
    (found,) = extract_features(case.image, [case.mask], feature_settings(name))
    return found.reason if isinstance(found, Abstained) else None


def with_mask(case: Case, mask: NDArray[np.bool_]) -> Case:
    return Case(image=case.image, mask=mask)


def with_values(case: Case, values: NDArray[np.float32]) -> Case:
    return Case(image=replace(case.image, values=values), mask=case.mask)


@pytest.mark.parametrize("name", ALL)
def test_an_empty_mask_is_too_small(name: SettingsName) -> None:
    """Nothing was segmented."""
    case = ellipsoid()

    assert reason(with_mask(case, np.zeros_like(case.mask)), name) is Reason.ROI_TOO_SMALL


@pytest.mark.parametrize("name", ALL)
def test_one_voxel_is_too_small(name: SettingsName) -> None:
    """pyradiomics raises an error here; a mesh cannot be made either."""
    case = ellipsoid()
    mask = np.zeros_like(case.mask)
    mask[tuple(np.argwhere(case.mask)[100])] = True

    assert reason(with_mask(case, mask), name) is Reason.ROI_TOO_SMALL


def test_a_sheet_is_no_body() -> None:
    """A mask of one slice has no volume."""
    case = ellipsoid()
    mask = np.zeros_like(case.mask)
    middle = mask.shape[0] // 2
    mask[middle] = case.mask[middle]

    assert reason(with_mask(case, mask)) is Reason.ROI_TOO_SMALL


def test_a_mask_outside_the_image_is_an_error() -> None:
    """Mask and image must lie on one grid."""
    case = ellipsoid()
    longer = np.concatenate([case.mask, case.mask])

    with pytest.raises(GeometryMismatch):
        reason(with_mask(case, longer))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ALL)
def test_a_value_that_is_no_number_is_an_error(name: SettingsName, value: float) -> None:
    """One such voxel in the region would spoil every feature."""
    case = ellipsoid()
    values = case.image.values.copy()
    values[tuple(np.argwhere(case.mask)[50])] = value

    with pytest.raises(UnreadablePixels):
        reason(with_values(case, values), name)


def test_slices_of_5_mm_are_too_coarse() -> None:
    """Interpolation would invent the texture between them."""
    case = ellipsoid(spacing_mm=(5.0, 0.8, 0.8), radii_mm=(20.0, 12.0, 12.0))

    assert reason(case) is Reason.TOO_COARSE


def test_two_parts_are_a_failed_segmentation() -> None:
    """Shape and texture of two bodies together have no meaning."""
    case = ellipsoid()
    mask = case.mask.copy()
    mask[mask.shape[0] // 2] = False

    assert reason(with_mask(case, mask)) is Reason.ROI_FRAGMENTED


@pytest.mark.parametrize("name", ALL)
def test_a_constant_image_has_no_texture(name: SettingsName) -> None:
    """Every texture feature would be an arbitrary constant."""
    case = ellipsoid()

    flat = with_values(case, np.full_like(case.image.values, 125.0))

    assert reason(flat, name) is Reason.ROI_UNIFORM


def test_values_beyond_any_ct_number_are_implausible() -> None:
    """Matrices of 10 000 grey levels would not fit."""
    case = ellipsoid()

    bright = with_values(case, case.image.values * 1000)

    assert reason(bright, "study2_faithful") is Reason.IMPLAUSIBLE_ATTENUATION


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    share=st.floats(0.0, 1.0),
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    spacing=st.tuples(*[st.floats(0.3, 6.0)] * 3),
    steps=st.integers(1, 40),
)
def test_any_mask_has_finite_numbers_or_a_reason(
    seed: int,
    share: float,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    steps: int,
) -> None:
    """Masks of any size and roughness: no crash, and never a number that is not one."""
    rng = np.random.default_rng(seed)
    image = ScalarImage(
        values=rng.integers(0, steps, shape).astype(np.float32) * 25,
        spacing_mm=np.asarray(spacing),
    )

    (found,) = extract_features(
        image, [rng.random(shape) < share], feature_settings("study2_product")
    )

    if isinstance(found, RadiomicFeatures):
        assert len(found.values) == 107
        assert all(np.isfinite(value) for value in found.values.values())
    else:
        assert isinstance(found.reason, Reason)
