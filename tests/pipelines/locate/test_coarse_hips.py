"""The first stage of the femur cascade, with the shipped networks on a simulated pelvis."""

import numpy as np
import pytest

from models.inference import SpineProbabilities
from models.structures_3mm import FEMORA, SPACING_MM, Structure
from pipelines.locate.coarse_hips import CLOSED, LEAST_VOXELS, both_see, closed, find_hips
from training.cohort.body.anatomy import render
from training.cohort.icrp110.specimen import structures
from training.cohort.matter.media import Media
from training.cohort.paint.grid import Grid
from training.cohort.people.subject import draw_subject

SEED = 93_001
EMPTY_SLICES = 40
"""More slices than the hip network includes above the pelvis."""


ASIDE = 10
"""Columns of 3 mm."""


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def predicted(parts):
    """Output of a spine network with probability 1 for these structures."""
    shares = np.stack([parts == one for one in Structure]).astype(np.float32)
    return SpineProbabilities(structures=shares, centre=np.zeros(parts.shape, np.float32))


@pytest.fixture(scope="module")
def patient():
    """HU and structures of a pelvis at 3 mm; axes up, posterior, left."""
    shape = (100, 110, 140)
    grid = Grid(origin_lps_mm=(-210.0, -170.0, -190.0), spacing_mm=(SPACING_MM,) * 3, shape=shape)
    anatomy = render(draw_subject(SEED), grid, Media(kvp=120, phase="none"))
    noise = np.random.default_rng(SEED).normal(0, 15, shape)
    return (anatomy.hu + noise).astype(np.float32), structures(anatomy.plan, grid, anatomy.labels)


def test_the_hip_network_outlines_what_the_spine_network_calls_a_femur(patient):
    """The spine network predicts part of the femora; the hip network outlines them whole."""
    hu, truth = patient
    femora = np.isin(truth, FEMORA)
    heights = np.flatnonzero(femora.any(axis=(1, 2)))
    missed = femora.copy()
    missed[heights[-len(heights) // 3] :] = False
    sees_heads = predicted(np.where(missed, Structure.BACKGROUND, truth))
    found = find_hips(hu, (sees_heads, sees_heads), "cpu")
    assert femora.sum() > 8_000
    assert dice(found.femora > 0.5, femora) > 0.8
    assert (found.femora == CLOSED).sum() > 20, "gaps at 3 mm are closed"
    for one in found.passes:
        assert dice(one, femora) > 0.8


def test_the_mirrored_pass_is_turned_back(patient):
    """Both passes find the femora of a patient who lies 3 cm beside the middle of the image."""
    hu, truth = (np.roll(one, ASIDE, axis=2) for one in patient)
    seen = predicted(truth)
    for one in find_hips(hu, (seen, seen), "cpu").passes:
        assert dice(one, np.isin(truth, FEMORA)) > 0.8


def test_the_sacrum_is_the_mean_of_both_networks(patient):
    """The spine network predicts 0.4, below the threshold; the mean of both is mostly over one half."""
    hu, truth = patient
    sacrum = truth == Structure.SACRUM
    seen = predicted(truth)
    seen.structures[Structure.SACRUM] *= np.float32(0.4)
    found = find_hips(hu, (seen, seen), "cpu").sacrum
    assert dice(found > 0.5, sacrum) > 0.5
    assert found[~sacrum].max() <= 0.5


def test_parts_without_femur_in_the_spine_network_are_removed():
    """Three parts of 1000 voxels; the spine network predicts femur in 150, 50 and none of them."""
    hips, spine = np.zeros((2, 20, 30, 40), np.float32)
    for number, shared in enumerate((150, 50, 0)):
        part = (slice(5, 15), slice(10, 20), slice(2 + 13 * number, 12 + 13 * number))
        hips[part] = 0.8
        values = np.zeros(1000, np.float32)
        values[:shared] = 0.9
        spine[part] = values.reshape(10, 10, 10)
    found = both_see(hips, spine) > 0.5
    assert found.sum() == 1000
    assert found[5:15, 10:20, 2:12].all()


def test_a_femur_has_no_holes_and_keeps_its_outside():
    """A tube of 12 mm within thick walls that the scan cuts, and a gap that metal leaves in them."""
    femur = np.zeros((20, 30, 30), bool)
    femur[:, 8:22, 8:22] = True
    seen = np.where(femur, 0.8, 0.2).astype(np.float32)
    seen[:, 12:16, 12:16] = 0.1
    seen[5:9, 8:12, 14] = 0.1
    found = closed(seen)
    assert np.array_equal(found > 0.5, femur)
    assert np.allclose(found[~femur], 0.2)
    assert np.allclose(found[:, 13:15, 13:15], CLOSED)
    assert np.allclose(seen[:, 13:15, 13:15], 0.1)


@pytest.mark.parametrize("empty", [0, 1], ids=["none", "at the edge"])
def test_closing_does_not_change_a_map_without_holes(empty):
    """No femur at all, and one that fills the scan to its edge."""
    seen = np.zeros((12, 12, 12), np.float32)
    seen[:, :6] = 0.9 * empty
    assert np.allclose(closed(seen), seen)


def test_far_from_the_pelvis_the_hip_network_does_not_run(patient):
    """A second pair of femora above the head is removed: the spine network does not predict it."""
    hu, truth = patient
    air = np.full((EMPTY_SLICES, *hu.shape[1:]), -1000, np.float32)
    heights = np.flatnonzero(np.isin(truth, FEMORA).any(axis=(1, 2)))
    again = hu[heights[0] : heights[-1] + 1]
    rest = np.zeros((len(air) + len(again), *hu.shape[1:]), truth.dtype)
    seen = predicted(np.concatenate([truth, rest]))
    found = find_hips(np.concatenate([hu, air, again]), (seen, seen), "cpu")
    assert found.femora[: len(hu)].max() > 0.9
    assert not found.femora[len(hu) + EMPTY_SLICES :].any()


def test_specks_of_sacrum_far_from_the_pelvis_are_ignored(patient):
    """For example in ribs: they do not count, and the hip network does not run there."""
    hu, truth = patient
    air = np.full((EMPTY_SLICES, *hu.shape[1:]), -1000, np.float32)
    heights = np.flatnonzero(np.isin(truth, FEMORA).any(axis=(1, 2)))
    again = hu[heights[0] : heights[-1] + 1]
    above = np.full((len(air) + len(again), *hu.shape[1:]), Structure.BACKGROUND, truth.dtype)
    above[-8:, 50:58, 60:68] = Structure.SACRUM
    above[EMPTY_SLICES:][np.isin(truth[heights[0] : heights[-1] + 1], FEMORA)] = FEMORA[0]
    above[EMPTY_SLICES : EMPTY_SLICES + 8] = Structure.BACKGROUND
    seen = predicted(np.concatenate([truth, above]))
    found = find_hips(np.concatenate([hu, air, again]), (seen, seen), "cpu")
    assert not found.sacrum[len(hu) + EMPTY_SLICES :].any()
    assert not found.femora[len(hu) + EMPTY_SLICES :].any()
    assert found.sacrum[: len(hu)].max() > 0.9


def test_without_a_pelvis_the_maps_of_the_spine_network_are_used(patient):
    """A few voxels of bone are not enough to run the hip network."""
    hu, truth = patient
    speck = np.full(truth.shape, Structure.BACKGROUND)
    speck.flat[: LEAST_VOXELS - 1] = Structure.FEMUR_LEFT
    found = find_hips(hu, (predicted(speck), predicted(speck)), "cpu")
    assert not found.sacrum.any()
    assert np.array_equal(found.femora, speck == Structure.FEMUR_LEFT)
