"""The largest connected part of a mask, and a mask without holes."""

import numpy as np
import pytest

from pipelines.space.masks import connected_parts, largest_part, without_holes


@pytest.mark.parametrize(("corners", "voxels"), [(False, 8), (True, 9)])
def test_parts_that_touch_at_a_corner_alone_are_one_where_that_counts(corners, voxels):
    """A block of 8, a voxel at its corner, and one of 3 apart."""
    mask = np.zeros((8, 8, 8), bool)
    mask[1:3, 1:3, 1:3] = mask[3, 3, 3] = mask[6, 6, 2:5] = True
    found = largest_part(mask, corners=corners)
    assert found.sum() == voxels
    assert found[1:3, 1:3, 1:3].all()


def test_an_empty_mask_stays_empty():
    assert not largest_part(np.zeros((4, 5), bool)).any()


@pytest.mark.parametrize(("axes", "solid"), [((0,), True), ((1, 2), False), ((2, 1, 0), True)])
def test_an_open_tube_has_holes_in_the_planes_across_it_alone(axes, solid):
    tube = np.ones((6, 5, 5), bool)
    tube[:, 2, 2] = False
    before = tube.copy()
    found = without_holes(tube, axes)
    assert found[:, 2, 2].all() == solid
    assert (found | before == found).all()
    assert (tube == before).all()


def test_parts_are_numbered_with_their_sizes() -> None:
    """Background is no part; voxels that touch at a corner are two parts, or one."""
    mask = np.zeros((3, 3, 3), bool)
    mask[0, 0, :2] = mask[1, 1, 2] = True

    parts, sizes = connected_parts(mask)

    assert sizes.tolist() == [0, 2, 1]
    assert parts[0, 0, 0] == parts[0, 0, 1] == 1
    assert connected_parts(mask, corners=True)[1].tolist() == [0, 3]
