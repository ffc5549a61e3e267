"""The node selects series by the same rules as the pipelines judge them."""

from dataclasses import replace

import numpy as np
import pytest

from node.series.completeness import stack_of
from node.series.selection import ineligible
from pipelines.contract.anatomy import Level
from pipelines.contract.reasons import Reason
from pipelines.contract.slice_thickness import coarsest_mm, is_thicker
from pipelines.gates.slice_distance import check_slice_distance
from pipelines.secondary.dxa_equivalent.network_input import crop_vertebra, sample_box
from tests.node.series_objects import ct_series, record
from tests.pipelines.gates.test_gates import volume
from tests.pipelines.stacks import Stack, centre_of

SLICES = [
    # distance, thickness, their larger one
    (5.0, 5.0, 5.0),
    (5.04, 5.0, 5.04),
    (5.06, 5.0, 5.06),
    (5.0, 5.04, 5.04),
    (5.0, 5.06, 5.06),
    (2.5, 5.06, 5.06),
    (5.06, 1.25, 5.06),
    (5.04, None, 5.04),
    (5.06, None, 5.06),
]


@pytest.mark.parametrize(("distance_mm", "thickness_mm", "slice_mm"), SLICES)
def test_selection_and_gate_withhold_the_same_slices(
    distance_mm: float, thickness_mm: float | None, slice_mm: float
) -> None:
    """Thickness and distance count alike; 5.04 mm is 5 mm rounded, 5.06 mm is more."""
    ct = volume(Stack(spacing_mm=(distance_mm, 8.0, 8.0)), slice_thickness_mm=thickness_mm)
    images = ct_series(20, thickness_mm=distance_mm)
    one = replace(record(images), slice_thickness_mm=thickness_mm)

    gate, selected = check_slice_distance(ct), ineligible(one, stack_of(one))

    expected = Reason.SLICE_TOO_THICK if slice_mm > 5.05 else None
    assert ct.slice_mm == pytest.approx(slice_mm)
    assert coarsest_mm(distance_mm, thickness_mm) == slice_mm
    assert (None if gate is None else gate.reason) is expected
    assert selected is expected


@pytest.mark.parametrize(
    ("slice_mm", "thicker"), [(1.96, False), (2.0, False), (2.04, False), (2.06, True)]
)
def test_a_limit_admits_what_headers_round(slice_mm: float, thicker: bool) -> None:
    """The allowance of 0.05 mm is the same for each limit."""
    assert is_thicker(slice_mm, 2.0) is thicker


@pytest.mark.parametrize(
    ("distance_mm", "thickness_mm", "slice_mm"),
    [(2.5, 2.5, 2.5), (1.25, 2.5, 2.5), (2.5, 1.25, 2.5), (2.5, None, 2.5), (5.0, 5.06, 5.06)],
)
def test_network_input_is_smoothed_from_the_slice_thickness_of_the_volume(
    distance_mm: float, thickness_mm: float | None, slice_mm: float
) -> None:
    """The input of study 1 lacks the rest to 5 mm of the larger of thickness and distance."""
    stack = Stack(spacing_mm=(distance_mm, 2.0, 2.0))
    ct, centre = volume(stack, slice_thickness_mm=thickness_mm), centre_of(Level.L2)

    expected = sample_box(ct.hu, ct.geometry, centre, slice_mm=slice_mm)

    np.testing.assert_array_equal(crop_vertebra(ct, centre), expected)
