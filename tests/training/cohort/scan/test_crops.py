"""A crop equals a part of the whole patient, and every part of a random field is the same."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.contract.anatomy import Level
from training.cohort.body.anatomy import LABEL_FEMUR, render
from training.cohort.body.plan import plan_body
from training.cohort.matter.media import Media
from training.cohort.paint.fields import smooth_field
from training.cohort.paint.grid import Floats, Grid
from training.cohort.paint.raster import Part
from training.cohort.people.subject import draw_subject
from training.cohort.scan.crops import femur_grid, simulate_crop, vertebra_grid
from training.cohort.scan.image import content_digest
from training.cohort.scan.scanner import Scanner
from training.cohort.scan.water import water_profile

SUBJECT = draw_subject(5)
BODY = plan_body(SUBJECT)
QUIET = Scanner(noise=0.0, slice_thickness_mm=1.0)


@pytest.fixture(scope="module")
def crop():
    """L2 at 0.8 mm, without noise."""
    grid = vertebra_grid(BODY, Level.L2, shape=(48, 72, 72), spacing_mm=(0.8, 0.8, 0.8))
    return simulate_crop(SUBJECT, grid, QUIET)


def test_a_crop_is_the_patient_voxel_for_voxel():
    """Structures outside the grid do not change it."""
    wide = Grid(origin_lps_mm=(-80.0, -120.0, 60.0), spacing_mm=(1.6,) * 3, shape=(40, 100, 100))
    small = Grid(origin_lps_mm=(-32.0, -48.0, 72.8), spacing_mm=(1.6,) * 3, shape=(20, 37, 31))
    media = Media(kvp=120)
    whole, part = render(SUBJECT, wide, media), render(SUBJECT, small, media)
    inside = (slice(8, 28), slice(45, 82), slice(30, 61))
    np.testing.assert_allclose(part.hu, whole.hu[inside], atol=0.01)
    np.testing.assert_array_equal(part.labels, whole.labels[inside])
    np.testing.assert_array_equal(part.parts, whole.parts[inside])


def test_threads_change_nothing():
    grid = Grid(origin_lps_mm=(-60.0, -70.0, 0.0), spacing_mm=(2.0,) * 3, shape=(60, 60, 60))
    with ThreadPoolExecutor(3) as pool:
        side_by_side = render(SUBJECT, grid, Media(kvp=100), threads=pool)
    one_by_one = render(SUBJECT, grid, Media(kvp=100))
    assert side_by_side.hu.tobytes() == one_by_one.hu.tobytes()
    assert side_by_side.labels.tobytes() == one_by_one.labels.tobytes()


def test_the_masks_of_a_vertebra_are_nested(crop):
    bone, body, core = crop.bone(Level.L2), crop.body(Level.L2), crop.core(Level.L2)
    assert (bone | body).sum() == bone.sum()
    assert (body | core).sum() == body.sum()
    assert bone.sum() > 1.15 * body.sum()  # the arch is more than a tenth of a vertebra
    assert crop.parts[~(crop.labels > 0)].max() == Part.NONE


def test_the_body_has_the_volume_of_its_sizes(crop):
    """A superellipse (0.84 of its box) with a waist (0.90) and hollow faces (0.9)."""
    size = crop.truth["levels"]["L2"]["body_size_mm"]
    volume = crop.body(Level.L2).sum() * 0.8**3
    assert 0.62 * np.prod(size) < volume < 0.76 * np.prod(size)


def test_the_inner_core_has_the_true_hu(crop):
    truth = crop.truth["levels"]["L2"]
    slices, rows, columns = np.nonzero(crop.core(Level.L2))
    middle = [int(v.mean()) for v in (slices, rows, columns)]
    near = np.abs(slices - middle[0]) < 6
    near &= (np.abs(rows - middle[1] + 3) < 8) & (np.abs(columns - middle[2]) < 12)
    inner = crop.image.hu[slices[near], rows[near], columns[near]]
    assert inner.mean() == pytest.approx(
        truth["trabecular_hu"], abs=0.06 * abs(truth["trabecular_hu"]) + 5
    )


@pytest.mark.parametrize("side", [1, -1])
def test_a_femur_crop_holds_head_to_shaft(side):
    grid = femur_grid(BODY, side, shape=(54, 54, 54), spacing_mm=(3.0, 3.0, 3.0))
    crop = simulate_crop(SUBJECT, grid, QUIET)
    bone = crop.bone(LABEL_FEMUR[side])
    assert not crop.bone(LABEL_FEMUR[-side]).any()
    slices, rows, columns = (
        np.flatnonzero(bone.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))
    )
    assert slices[0] == 0  # the shaft extends beyond the grid below
    assert slices[-1] < 53 - 3
    assert rows[0] > 3 < columns[0]
    assert rows[-1] < 50 > columns[-1]


def test_the_same_crop_has_the_same_bytes():
    grid = vertebra_grid(BODY, Level.L4, shape=(8, 40, 40), spacing_mm=(1.2, 1.2, 2.0))
    scanner = Scanner(slice_thickness_mm=2.0)
    first, second = (simulate_crop(SUBJECT, grid, scanner).image for _ in range(2))
    assert content_digest(first) == content_digest(second)


@given(
    start=st.lists(st.integers(-400, 400), min_size=3, max_size=3),
    size=st.lists(st.integers(1, 20), min_size=3, max_size=3),
)
@settings(max_examples=25, deadline=None)
def test_any_part_of_a_field_is_the_same(start, size):
    """The position of a block determines its values, not the order of use."""
    x, y, z = (_axis(s, s + n) for s, n in zip(start, size, strict=True))
    wide = [_axis(s - 19, s + n + 7) for s, n in zip(start, size, strict=True)]
    alone = smooth_field(np.random.default_rng(3), 3.0).at(x, y, z)
    within = smooth_field(np.random.default_rng(3), 3.0).at(wide[0], wide[1], wide[2])
    inner = tuple(slice(19, 19 + n) for n in size[::-1])
    np.testing.assert_allclose(alone, within[inner], atol=1e-5)


def _axis(start: int, stop: int) -> Floats:
    return np.arange(start, stop, dtype=np.float32) * np.float32(1.5)


def test_a_field_has_mean_0_sd_1_and_its_correlation_length():
    """Correlation of smoothed white noise: exp(-(lag / 2 steps)^2), as for a Gaussian."""
    axis = np.arange(-60, 60, dtype=np.float32) * 2
    values = smooth_field(np.random.default_rng(1), 4.0).at(axis, axis, axis)
    assert abs(values.mean()) < 0.02
    assert values.std() == pytest.approx(1, abs=0.02)
    lags = [(values[lag:] * values[:-lag]).mean() for lag in (1, 2, 3, 5)]
    assert lags == pytest.approx([np.exp(-(lag**2) / 4) for lag in (1, 2, 3, 5)], abs=0.04)


def test_water_profile_agrees_with_the_whole_patient():
    """Wall and lungs on the coarse grid against the whole patient (gas in the bowel differs)."""
    profile = water_profile(BODY, 20.0, 120.0)
    grid = Grid(
        origin_lps_mm=(-276.0, -276.0, 20.0), spacing_mm=(8.0, 8.0, 10.0), shape=(11, 70, 70)
    )
    hu = render(SUBJECT, grid, Media(kvp=120)).hu
    area_cm2 = np.clip(hu / 1000 + 1, 0, None).sum(axis=(1, 2)) * 0.64
    diameters = 2 * np.sqrt(area_cm2 / np.pi)
    np.testing.assert_allclose(
        [profile.at(z).diameter_cm for z in grid.axis(2)], diameters, atol=1.6
    )
