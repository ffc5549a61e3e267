"""The selection of the node and the gates of the pipelines use the same rules."""

from dataclasses import replace

import numpy as np
import pytest

from node.series.completeness import stack_of
from node.series.selection import ineligible, score
from pipelines.contract.anatomy import Level
from pipelines.contract.kernels import is_sharp, kernel_suitability
from pipelines.contract.reasons import Reason
from pipelines.contract.slice_thickness import coarsest_mm, is_thicker
from pipelines.gates.concern import Scan
from pipelines.gates.kernel import check_kernel
from pipelines.gates.slice_distance import check_slice_distance
from pipelines.secondary.dxa_equivalent.network_input import crop_vertebra, sample_box
from tests.node.series_objects import ct_series, record
from tests.pipelines.gates.test_gates import volume
from tests.pipelines.stacks import Stack, centre_of

SUITABLE = 0.7
"""Factor of a series whose header names no region."""
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

    gate, selected = check_slice_distance(Scan(ct=ct)), ineligible(one, stack_of(one))

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
    """The input of study 1 is smoothed from the larger of thickness and distance to 5 mm."""
    stack = Stack(spacing_mm=(distance_mm, 2.0, 2.0))
    ct, centre = volume(stack, slice_thickness_mm=thickness_mm), centre_of(Level.L2)

    expected = sample_box(ct.hu, ct.geometry, centre, slice_mm=slice_mm)

    np.testing.assert_array_equal(crop_vertebra(ct, centre), expected)


KERNELS = [
    # name, suitability; GE
    ("STANDARD", 1.0),
    ("SOFT", 1.0),
    ("DETAIL", 0.0),
    ("DETAIL+", 0.0),
    ("BONE", 0.0),
    ("BONE+", 0.0),
    ("BONEPLUS", 0.0),
    ("BONE PLUS", 0.0),
    ("EDGE", 0.0),
    ("LUNG", 0.0),
    ("ULTRA", 0.0),
    # Philips
    ("A", 1.0),
    ("B", 1.0),
    ("C", 0.6),
    ("D", 0.0),
    ("E", 0.0),
    ("L", 0.0),
    ("YA", 0.6),
    ("YB", 0.0),
    ("YC", 0.0),
    ("YD", 0.0),
    # Siemens
    ("B30f", 1.0),
    ("Br38f\\3", 1.0),
    ("B40s", 1.0),
    ("I50f", 0.5),
    ("B54s", 0.3),
    ("B55s", 0.0),
    ("B60f", 0.0),
    ("Br64d\\3", 0.0),
    ("Bl57d", 0.0),
    # Canon
    ("FC08", 1.0),
    ("FC18-H", 0.6),
    ("FC29", 1.0),
    ("FC30", 0.0),
    ("FC51", 0.0),
    # virtual scanners, and names that no list has
    ("SMOOTH", 1.0),
    ("SHARP", 0.0),
    ("something new", 0.6),
    ("", 0.6),
]


@pytest.mark.parametrize(("kernel", "suitability"), KERNELS)
def test_selection_and_gate_judge_each_kernel_alike(kernel: str, suitability: float) -> None:
    """The gate flags exactly the kernels that get no points in the selection."""
    one = record(ct_series(20, ConvolutionKernel=kernel.split("\\")))
    best = replace(one, kernel="STANDARD")

    points = 20 - (score(best, stack_of(best)) - score(one, stack_of(one))) / SUITABLE
    flagged = check_kernel(Scan(ct=volume(convolution_kernel=kernel))) is not None

    assert kernel_suitability(kernel) == suitability
    assert points == pytest.approx(20 * suitability, abs=0.01)
    assert flagged is is_sharp(kernel) is (suitability == 0)
