"""Vertebrae are found and named in patient space, for any storage order of the array."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from models.inference import SpineProbabilities
from models.structures_3mm import SPACING_MM, Structure
from pipelines.contract.anatomy import Level
from pipelines.locate.localize import Localization, interpret, localize
from pipelines.read.volume import CtVolume
from pipelines.space.coordinates import CanonicalGrid, Geometry
from training.evaluate.real_cts import (
    HEIGHTS_LPS_MM,
    RIB_HEIGHTS_LPS_MM,
    above,
    read_named,
    rightly_named,
)

LABELLED = "abdomen_pelvis_3mm"


@cache
def real(data: Path, name: str) -> CtVolume:
    """A real CT of the data folder, read once."""
    return read_named(data, name)


@cache
def found_in(data: Path, name: str) -> Localization:
    """Localization of that CT, computed once."""
    return localize(real(data, name))


def stored_otherwise(ct: CtVolume, order: tuple[int, ...], reverse: tuple[int, ...]) -> CtVolume:
    """The same voxels at the same places in the patient, in another order in memory."""
    hu, affine = ct.hu, ct.geometry.affine.copy()
    for axis in reverse:
        affine[:3, 3] += affine[:3, axis] * (hu.shape[axis] - 1)
        affine[:3, axis] *= -1
    hu = np.ascontiguousarray(np.flip(hu, reverse).transpose(order))
    affine[:3, :3] = affine[:3, list(order)]
    shape = (hu.shape[0], hu.shape[1], hu.shape[2])
    geometry = Geometry(affine=affine, shape=shape, frame_of_reference_uid=None)
    return replace(ct, hu=hu, geometry=geometry)


@pytest.mark.data
@pytest.mark.parametrize(
    ("order", "reverse"),
    [
        pytest.param((2, 1, 0), (), id="axes rotated"),
        pytest.param((2, 1, 0), (2,), id="slices from the head down"),
        pytest.param((2, 1, 0), (0, 1), id="head first prone"),
        pytest.param((2, 1, 0), (0, 2), id="feet first supine"),
        pytest.param((1, 2, 0), (0, 1, 2), id="all axes reversed"),
    ],
)
def test_centres_do_not_depend_on_how_the_volume_is_stored(data, order, reverse):
    """Same levels and same patient coordinates for each order."""
    expected = found_in(data, LABELLED)
    other = localize(stored_otherwise(real(data, LABELLED), order, reverse))
    assert [v.level for v in other.vertebrae] == [v.level for v in expected.vertebrae]
    assert other.presumed == expected.presumed
    for one, two in zip(other.vertebrae, expected.vertebrae, strict=True):
        np.testing.assert_allclose(one.centre_lps_mm, two.centre_lps_mm, atol=0.5)


@pytest.mark.data
def test_both_anchors_name_a_whole_lumbar_spine_for_certain(data):
    """T12 to L5 from the head down; T12 is cut by the first slice."""
    found = found_in(data, LABELLED)
    assert [v.level.name for v in found.vertebrae] == ["T12", "L1", "L2", "L3", "L4", "L5"]
    assert not found.presumed
    assert [v.complete for v in found.vertebrae] == [False, True, True, True, True, True]


@pytest.mark.data
@pytest.mark.parametrize("name", sorted(HEIGHTS_LPS_MM))
def test_names_lie_on_the_right_bodies_where_the_sacrum_is_seen(data, name):
    """Compared by position, because a spine shifted by one level has the same names."""
    expected = HEIGHTS_LPS_MM[name]
    assert rightly_named(found_in(data, name), expected) == len(expected)


@pytest.mark.data
@pytest.mark.parametrize("name", sorted(HEIGHTS_LPS_MM))
def test_names_are_never_certain_without_the_sacrum(data, name):
    """With ribs alone names may be one level off (docs/results): they must not be certain."""
    expected = HEIGHTS_LPS_MM[name]
    middle = (expected[Level.L3] + expected[Level.L4]) / 2
    assert localize(above(real(data, name), middle)).presumed


@pytest.mark.data
@pytest.mark.parametrize("name", sorted(RIB_HEIGHTS_LPS_MM))
def test_names_follow_the_ribs_where_the_sacrum_is_not_in_the_scan(data, name):
    """Compared by position; the names are presumed."""
    expected = RIB_HEIGHTS_LPS_MM[name]
    found = found_in(data, name)
    assert rightly_named(found, expected) == len(expected)
    assert found.presumed


@pytest.mark.data
@pytest.mark.parametrize("name", ["pet_ct_slab_dicom", "thorax_crop_cta_1p5mm"])
def test_nothing_is_called_lumbar_at_t11_and_t12(data, name):
    """Real scans that do not hold the lumbar spine."""
    assert not [v for v in found_in(data, name).vertebrae if v.level.is_lumbar]


@pytest.mark.data
def test_a_crop_without_anchors_is_found_but_not_named(data):
    """A crop around L3 contains neither sacrum nor rib, so the names are unknown."""
    found = found_in(data, "l3_crop_ct")
    assert found.vertebrae == ()
    assert found.unnamed


def test_an_empty_scan_has_no_vertebrae():
    """A scan without a spine is not an error."""
    shape = (32, 32, 32)
    structures = np.zeros((len(Structure), *shape), np.float32)
    structures[Structure.BACKGROUND] = 1
    grid = CanonicalGrid(origin_lps_mm=np.zeros(3), spacing_mm=SPACING_MM, shape=shape)
    nothing = SpineProbabilities(structures=structures, centre=np.zeros(shape, np.float32))
    found = interpret(nothing, grid)
    assert found.vertebrae == ()
    assert found.unnamed == ()
    assert found.presumed


def painted_spine(*, disc_below: bool) -> SpineProbabilities:
    """L2 to L5 on a sacrum, upright; the network predicts sacrum in the lower front of L5.

    Parameters
    ----------
    disc_below
        Whether the disc under L5 is seen.
    """
    shape = (70, 40, 40)
    parts = np.zeros(shape, np.int64)
    column = (slice(14, 26), slice(13, 27))
    parts[2:14, 12:34, 6:34] = Structure.SACRUM
    for number, low in enumerate(range(14, 58, 11)):
        if number or disc_below:
            parts[(slice(low, low + 3), *column)] = Structure.DISC
        parts[(slice(low + 3, low + 11), *column)] = Structure.LUMBAR_BODY
    parts[MISTAKEN] = Structure.SACRUM
    structures = np.stack([(parts == one).astype(np.float32) for one in range(len(Structure))])
    return SpineProbabilities(structures=structures, centre=np.zeros(shape, np.float32))


MISTAKEN = (slice(17, 20), slice(14, 18), slice(13, 27))
"""Lower front of L5."""
GRID = CanonicalGrid(origin_lps_mm=np.zeros(3), spacing_mm=SPACING_MM, shape=(70, 40, 40))


def test_voxels_above_the_last_disc_are_not_sacrum():
    """Networks predict sacrum in the lower front of L5; the disc is the border."""
    found = interpret(painted_spine(disc_below=True), GRID)
    assert [v.level.name for v in found.vertebrae] == ["L2", "L3", "L4", "L5"]
    assert (found.body_probability[MISTAKEN] > 0.5).all()
    assert (found.sacrum_probability[MISTAKEN] < 0.5).all()
    assert (found.sacrum_probability[2:14, 12:34, 6:34] > 0.5).all()


def test_there_is_one_sacrum():
    """Specks elsewhere are removed, because midline and height of the hips depend on the sacrum."""
    made = painted_spine(disc_below=True)
    speck = (slice(60, 62), slice(2, 5), slice(2, 5))
    made.structures[(slice(None), *speck)] = 0
    made.structures[(Structure.SACRUM, *speck)] = 1
    found = interpret(made, GRID)
    assert not (found.sacrum_probability[speck] > 0.5).any()
    assert (found.sacrum_probability[2:14, 12:34, 6:34] > 0.5).all()


def test_without_its_disc_nothing_is_taken_for_a_vertebra():
    """A plane that only follows the axis of the spine may cut the first sacral body."""
    made = painted_spine(disc_below=False)
    found = interpret(made, GRID)
    np.testing.assert_array_equal(
        found.body_probability, made.structures[Structure.LUMBAR_BODY], strict=True
    )
    assert (found.sacrum_probability[2:14, 12:34, 6:34] > 0.5).all()


@pytest.mark.data
@pytest.mark.parametrize("name", sorted(HEIGHTS_LPS_MM))
def test_the_last_disc_slopes_down_to_the_front(data, name):
    """Sacral slope of people who lie: 20 to 55 degrees; the curve of the spine ends too early to
    show it."""
    (lowest,) = (v for v in found_in(data, name).vertebrae if v.level is Level.L5)
    slope = np.degrees(np.arctan2(-lowest.lower_normal_lps[1], lowest.lower_normal_lps[2]))
    assert 15 < slope < 60
