"""Planes between bodies follow the discs, for any direction of the axis of the spine."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.structures_3mm import SPACING_MM
from pipelines.locate.disc_planes import disc_plane

SHAPE = (40, 40, 40)
MIDDLE = np.array([20.0, 20.0, 20.0])
AXIS = np.array([1.0, 0.0, 0.0])


def disc(normal: np.ndarray) -> np.ndarray:
    """A disc of 42 mm width and 10 mm height through the middle of the grid."""
    offsets = (np.moveaxis(np.indices(SHAPE), 0, -1) - MIDDLE) * SPACING_MM
    along = offsets @ normal
    aside = np.linalg.norm(offsets - along[..., None] * normal, axis=-1)
    inside = (np.abs(along) < 5) & (aside < 21)
    return np.asarray(inside, np.float32)


@settings(max_examples=30, deadline=None)
@given(tilt=st.floats(-25, 25), turn=st.floats(0, 180))
def test_the_plane_follows_a_tilted_disc(tilt, turn):
    """Within three degrees and a third of a voxel, for discs tilted in any direction."""
    t, s = np.deg2rad([tilt, turn])
    normal = np.array([np.cos(t), np.sin(t) * np.cos(s), np.sin(t) * np.sin(s)])
    found = disc_plane(MIDDLE + 0.7 * AXIS, AXIS, disc(normal))
    assert found.seen
    assert found.normal @ normal > np.cos(np.deg2rad(3))
    assert abs((found.point - MIDDLE) @ normal) < 0.35


@pytest.mark.parametrize("content", [np.zeros(SHAPE), np.ones(SHAPE)], ids=["no disc", "no shape"])
def test_without_a_flat_disc_the_plane_is_perpendicular_to_the_axis(content):
    """Without a disc to fit, the border found along the axis is kept."""
    found = disc_plane(MIDDLE, AXIS, content.astype(np.float32))
    assert not found.seen
    np.testing.assert_array_equal(found.normal, AXIS)
    np.testing.assert_array_equal(found.point, MIDDLE)
