"""A changed CT has the correct positions of its vertebrae."""

import numpy as np
import pytest

from pipelines.contract.anatomy import Level
from training.evaluate.perturbed import CHANGES, ENDS, Scan

SHAPE = (120, 60, 64)
ALL = {**CHANGES, **ENDS}
HEIGHTS = {Level.L1: 90, Level.L2: 78, Level.L3: 66, Level.L4: 54, Level.L5: 42}


def scan() -> Scan:
    """Five bright balls in soft tissue."""
    hu = np.full(SHAPE, 40, np.float32)
    bodies = {level: np.array([height, 32.0, 30.0]) for level, height in HEIGHTS.items()}
    places = np.indices(SHAPE)
    for at in bodies.values():
        hu[sum((one - a) ** 2 for one, a in zip(places, at, strict=True)) < 16] = 600
    return Scan(hu=hu, bodies=bodies)


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_change_moves_the_listed_centres_with_the_bodies(name):
    """The brightest voxel near each visible body is within 1.5 voxels of its listed centre."""
    changed = ALL[name](scan())
    shown = {
        level: at
        for level, at in changed.bodies.items()
        if ((at > 5) & (at < np.array(changed.hu.shape) - 5)).all()
    }
    assert len(shown) >= 2
    for at in shown.values():
        low = np.rint(at).astype(int) - 5
        around = changed.hu[tuple(slice(a, a + 11) for a in low)]
        bright = np.argwhere(around > 300) + low
        assert len(bright)
        np.testing.assert_allclose(bright.mean(axis=0), at, atol=1.5)


def test_a_change_does_not_modify_its_input():
    """All changes start from the same CT."""
    given = scan()
    before = given.hu.copy()
    for change in ALL.values():
        change(given)
    np.testing.assert_array_equal(given.hu, before)
