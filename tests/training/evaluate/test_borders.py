"""The HU on an outline at the edge of a bone is half way up the slope; around the bone it is lower."""

import numpy as np
import pytest
from scipy import ndimage

from training.evaluate.borders import border_hu, half_height_hu

SPACING_MM = np.array([2.0, 1.0, 1.0])
RADIUS_MM, CORTEX_MM = 15.0, 5.0


@pytest.fixture(scope="module")
def shaft():
    """A tube of 1000 HU in muscle of 50, marrow of -50, blurred by 0.8 mm; distances to its axis."""
    _, rows, columns = np.indices((20, 64, 64))
    aside = np.hypot(rows - 31.5, columns - 31.5)
    sharp = np.where(aside < RADIUS_MM, 1000.0, 50.0)
    sharp[aside < RADIUS_MM - CORTEX_MM] = -50
    return ndimage.gaussian_filter(sharp, (0, 0.8, 0.8)).astype(np.float32), aside


def test_the_edge_of_a_bone_is_at_half_height(shaft):
    hu, aside = shaft
    bone = aside < RADIUS_MM
    half = half_height_hu(hu, bone, SPACING_MM)
    assert half == pytest.approx(525, abs=15)
    assert border_hu(hu, bone, 0) == pytest.approx(half, abs=60)


@pytest.mark.parametrize(("outward_mm", "low", "high"), [(1.5, 50, 150), (-1.5, 850, 1000)])
def test_an_outline_off_the_edge_has_another_hu(shaft, outward_mm, low, high):
    hu, aside = shaft
    assert low < border_hu(hu, aside < RADIUS_MM + outward_mm, 0) < high


def test_the_cut_of_a_shaft_does_not_count_as_border(shaft):
    """Half of the tube has the same outline."""
    hu, aside = shaft
    bone = aside < RADIUS_MM
    half = bone.copy()
    half[:10] = False
    assert border_hu(hu, half, 0) == border_hu(hu, bone, 0)
