"""Bone beside the spine is counted for the vertebra where it begins."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from models.structures_3mm import SPACING_MM
from pipelines.locate.ribs import UNDECIDED_MM, rib_reach_mm
from pipelines.locate.spinal_curve import SpinalCurve

SHAPE = (60, 50, 90)
COLUMN, ROW = 45, 15
CURVE = SpinalCurve(
    spline=CubicSpline([0.0, 59.0], [[0, ROW, COLUMN], [59, ROW, COLUMN]], bc_type="natural"),
    length=59.0,
)
PLACES = [(low, low + 5.0, low + 10.0) for low in (0.0, 10.0, 20.0, 30.0, 40.0)]


def piece(bone: np.ndarray, start: float, *, side: int, to_mm: float, drop: float) -> None:
    """A bar from 20 mm beside the axis outward, falling on the way."""
    for aside in np.arange(20.0, to_mm, 1.0):
        row = ROW + round((8 + aside * 0.3) / SPACING_MM)
        height = round(start - drop * (aside - 20) / SPACING_MM)
        column = COLUMN + side * round(aside / SPACING_MM)
        if 0 <= height < SHAPE[0]:
            bone[height : height + 2, row - 1 : row + 1, column] = 1


def test_a_falling_rib_belongs_to_the_vertebra_at_its_head():
    """Its outer end lies two vertebrae lower, where there are only processes."""
    bone = np.zeros(SHAPE, np.float32)
    for side in (1, -1):
        piece(bone, 37.0, side=side, to_mm=95, drop=0.9)
        for height in (6.0, 16.0, 26.0):
            piece(bone, height, side=side, to_mm=45, drop=0.0)
    reach = rib_reach_mm(CURVE, PLACES, bone)
    assert reach[3] > 85
    assert max(reach[:3]) < 50


@pytest.mark.parametrize("offset", [-3.0, 3.0], ids=["cut too high", "as usual"])
def test_ribs_stay_with_their_vertebra_though_the_column_is_cut_a_third_too_high(offset):
    """As with ossified discs; ribs then begin below the middle of their own body."""
    bone = np.zeros(SHAPE, np.float32)
    for side in (1, -1):
        for _, middle, _ in PLACES[2:]:
            piece(bone, middle + offset, side=side, to_mm=95, drop=0.0)
    reach = rib_reach_mm(CURVE, PLACES, bone)
    assert min(reach[2:]) > 85
    assert max(reach[:2]) < 50


def test_one_missing_rib_leaves_doubt():
    """The mean of both sides lies between a process and a rib."""
    bone = np.zeros(SHAPE, np.float32)
    piece(bone, 37.0, side=1, to_mm=95, drop=0.9)
    piece(bone, 37.0, side=-1, to_mm=40, drop=0.0)
    assert 50 < rib_reach_mm(CURVE, PLACES, bone)[3] < 80


@pytest.mark.parametrize("half_mm", [30, 48])
def test_a_narrow_scan_leaves_the_reach_undecided(half_mm):
    """A crop around one vertebra is too narrow to show a rib."""
    half = round(half_mm / SPACING_MM)
    bone = np.zeros((60, 50, 2 * half + 1), np.float32)
    spline = CubicSpline([0.0, 59.0], [[0, ROW, half], [59, ROW, half]], bc_type="natural")
    curve = SpinalCurve(spline=spline, length=59.0)
    assert rib_reach_mm(curve, PLACES, bone) == [UNDECIDED_MM] * len(PLACES)
