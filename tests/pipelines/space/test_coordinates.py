"""Values stay at their places in the patient on the way to a canonical grid."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.space.coordinates import Geometry, canonical_grid
from pipelines.space.resample import resample_to_canonical

OUTSIDE = -1000.0


def volume(spacing: tuple[float, float, float], origin: tuple[float, float, float]):
    """Random values in 7 slices to the head, 6 rows to posterior, 5 columns to the left."""
    values = np.random.default_rng(0).normal(0, 100, (7, 6, 5)).astype(np.float32)
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[::-1] * spacing
    affine[:3, 3] = origin
    return values, affine


def stored(values, affine, order, reverse) -> tuple[np.ndarray, Geometry]:
    """The same values at the same places, in another order in memory."""
    affine = affine.copy()
    for axis in reverse:
        affine[:3, 3] += affine[:3, axis] * (values.shape[axis] - 1)
        affine[:3, axis] *= -1
    affine[:3, :3] = affine[:3, list(order)]
    values = np.ascontiguousarray(np.flip(values, reverse).transpose(order))
    return values, Geometry(affine=affine, shape=values.shape, frame_of_reference_uid=None)


def canonical(values, geometry, spacing_mm):
    grid = canonical_grid(geometry, spacing_mm)
    return grid, resample_to_canonical(values, geometry, grid, outside=OUTSIDE)


spacings = st.floats(0.3, 3.0)
origins = st.floats(-500, 500)
orders = st.permutations((0, 1, 2))
reversals = st.sets(st.integers(0, 2)).map(tuple)


@given(
    spacing=st.tuples(spacings, spacings, spacings),
    origin=st.tuples(origins, origins, origins),
    order=orders,
    reverse=reversals,
)
def test_the_order_in_memory_changes_nothing(spacing, origin, order, reverse):
    """Storage order and direction are no property of the patient."""
    values, affine = volume(spacing, origin)
    grid, expected = canonical(*stored(values, affine, (0, 1, 2), ()), 3.0)
    other_grid, other = canonical(*stored(values, affine, order, reverse), 3.0)
    assert other_grid.shape == grid.shape
    np.testing.assert_allclose(other_grid.origin_lps_mm, grid.origin_lps_mm, atol=1e-6)
    np.testing.assert_allclose(other, expected, atol=0.05)


@pytest.mark.parametrize(
    ("order", "reverse"),
    list(itertools.product(itertools.permutations((0, 1, 2)), [(), (0,), (1, 2), (0, 1, 2)])),
)
def test_the_outermost_slices_are_not_taken_for_air(order, reverse):
    """1e-14 beyond the last voxel centre is rounding, not outside."""
    spacing = 3.0
    values, affine = volume((spacing,) * 3, (0.1, 385.7, -1203.3))
    _, result = canonical(*stored(values, affine, order, reverse), spacing)
    np.testing.assert_allclose(result, values, atol=0.01)
