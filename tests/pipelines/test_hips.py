"""The first stage of the femur cascade, with the shipped networks on a simulated pelvis."""

import numpy as np
import pytest

from models.inference import SpineProbabilities
from models.structures import SPACING_MM, Structure
from pipelines.hips import FEMORA, LEAST_VOXELS, find_femora
from training.cohort.anatomy import render
from training.cohort.grid import Grid
from training.cohort.media import Media
from training.cohort.subject import draw_subject
from training.segmentation.parts import structures

SEED = 93_001
EMPTY_SLICES = 40
"""More than the hip network looks beyond the pelvis."""


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def said(parts):
    """A spine network that is sure of these structures."""
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


def test_the_hip_network_finds_what_the_spine_network_is_half_sure_of(patient):
    """Where one says nothing of the femora beyond the pelvis, the other alone reaches a half."""
    hu, truth = patient
    femora = np.isin(truth, FEMORA)
    pelvis = said(np.where(femora, Structure.BACKGROUND, truth))
    doubtful = SpineProbabilities(
        structures=pelvis.structures + 0.2 * said(truth).structures * femora, centre=pelvis.centre
    )
    found = find_femora(hu, (doubtful, doubtful), "cpu")
    assert femora.sum() > 8_000
    assert dice(found.probability > 0.5, femora) > 0.7
    for one in found.passes:
        assert dice(one, femora) > 0.7


def test_the_mirrored_pass_is_turned_back(patient):
    """Both passes find much of the left femur of a patient whose right one is gone."""
    hu, truth = patient
    hu = np.where(truth == Structure.FEMUR_RIGHT, np.float32(40), hu)
    half = SpineProbabilities(
        structures=np.full((len(Structure), *truth.shape), 0.3, np.float32),
        centre=np.zeros(truth.shape, np.float32),
    )
    for one in find_femora(hu, (half, half), "cpu").passes:
        left, right = (one[truth == side].mean() for side in FEMORA)
        assert left > right + 0.3


def test_far_from_the_pelvis_the_hip_network_is_not_asked(patient):
    """A second pair of femora above the head, which the spine network does not see, is none."""
    hu, truth = patient
    air = np.full((EMPTY_SLICES, *hu.shape[1:]), -1000, np.float32)
    heights = np.flatnonzero(np.isin(truth, FEMORA).any(axis=(1, 2)))
    again = hu[heights[0] : heights[-1] + 1]
    rest = np.zeros((len(air) + len(again), *hu.shape[1:]), truth.dtype)
    seen = said(np.concatenate([truth, rest]))
    found = find_femora(np.concatenate([hu, air, again]), (seen, seen), "cpu")
    assert found.probability[: len(hu)].max() > 0.9
    assert not found.probability[len(hu) + EMPTY_SLICES :].any()


def test_without_a_pelvis_the_spine_network_tells(patient):
    """A few voxels of bone are not enough to ask another network."""
    hu, truth = patient
    crumb = np.full(truth.shape, Structure.BACKGROUND)
    crumb.flat[: LEAST_VOXELS - 1] = Structure.FEMUR_LEFT
    found = find_femora(hu, (said(crumb), said(crumb)), "cpu")
    assert np.array_equal(found.probability, crumb == Structure.FEMUR_LEFT)
