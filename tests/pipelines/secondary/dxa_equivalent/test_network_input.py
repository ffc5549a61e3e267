"""Input of study 1: the right box, slices of 5 mm, one scale for all patients."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.contract.anatomy import Level
from pipelines.secondary.dxa_equivalent.network_input import (
    SHAPE,
    SPACING_MM,
    Normalization,
    crop_vertebra,
    normalized,
)
from tests.pipelines.gates.test_gates import volume
from tests.pipelines.stacks import BONE_HU, Stack, centre_of


@pytest.mark.parametrize(
    "stack",
    [
        Stack(),
        Stack(position="HFP"),
        Stack(position="FFS"),
        Stack(reverse=True),
        Stack(turn_degrees=8),
    ],
)
def test_the_body_is_in_the_middle_whatever_the_storage(stack: Stack) -> None:
    """L2 in the middle, L1 above it; the head is at the end of the first axis."""
    crop = crop_vertebra(volume(stack, slice_thickness_mm=5), centre_of(Level.L2))
    assert crop.shape == SHAPE
    middle = tuple(slice(n // 2 - 4, n // 2 + 4) for n in SHAPE)
    assert crop[middle].mean() == pytest.approx(BONE_HU[Level.L2], abs=1)
    # 36 mm from body to body: 20 mm up and down lie the discs and the next bodies' edges.
    assert crop[-1, 60:68, 60:68].mean() > 40
    assert crop[0, 60:68, 60:68].mean() > 40


def test_the_box_has_its_size_in_millimetres() -> None:
    """A body of 42 mm by 32 mm is 105 by 80 pixels of 0.4 mm."""
    crop = crop_vertebra(volume(Stack(), slice_thickness_mm=5), centre_of(Level.L2))
    inside = crop[32] > 90
    widths = inside.any(axis=0).sum() * SPACING_MM[2], inside.any(axis=1).sum() * SPACING_MM[1]
    assert widths == pytest.approx((42, 32), abs=1.5)


def test_thin_slices_are_averaged_to_five_millimetres() -> None:
    """Standard deviation of the profile of an impulse: that of a 5 mm box, 5 / sqrt(12) mm."""
    plan = Stack(spacing_mm=(0.625, 2.0, 2.0), shape=(96, 64, 64))
    ct = volume(plan, slice_thickness_mm=0.625)
    hu = np.zeros(plan.shape, np.float32)
    hu[48] = 1000
    ct = replace(ct, hu=hu)
    z = ct.geometry.affine[2, 3] + 0.625 * 48
    x, y, _ = centre_of(Level.L2)
    profile = crop_vertebra(ct, (x, y, float(z)))[:, 64, 64].astype(float)
    places = (np.arange(64) - 31.5) * SPACING_MM[0]
    mean = (profile * places).sum() / profile.sum()
    spread = np.sqrt((profile * (places - mean) ** 2).sum() / profile.sum())
    assert mean == pytest.approx(0, abs=0.05)
    assert spread == pytest.approx(5 / np.sqrt(12), rel=0.08)


def test_beyond_the_scan_is_air() -> None:
    """A box that exceeds the scan, and one outside it."""
    ct = volume(Stack(), slice_thickness_mm=5)
    assert crop_vertebra(ct, (5.0, 0.0, 95.0))[-1].max() == -1000
    assert crop_vertebra(ct, (5.0, 0.0, 900.0)).max() == -1000


def test_one_window_keeps_the_scale_and_min_max_does_not() -> None:
    """Twice the density changes the numbers in a fixed window, and not those by min-max."""
    rng = np.random.default_rng(0)
    low = rng.uniform(50, 150, (4, 8, 8)).astype(np.float32)
    high = 2 * low
    fixed = [normalized(hu, Normalization.FIXED_WINDOW).mean() for hu in (low, high)]
    minmax = [normalized(hu, Normalization.CROP_MINMAX) for hu in (low, high)]
    assert fixed[1] - fixed[0] == pytest.approx(0.1, abs=0.01)
    np.testing.assert_allclose(minmax[0], minmax[1], atol=1e-6)


def test_masked_min_max_uses_the_core_only() -> None:
    """The input is 0 outside the core; a missing core is an error."""
    hu = np.linspace(0, 300, 64, dtype=np.float32).reshape(4, 4, 4)
    core = hu > 150
    made = normalized(hu, Normalization.MASKED_MINMAX, core)
    assert made[~core].max() == 0
    assert made[core].max() == 1
    with pytest.raises(ValueError, match="core"):
        normalized(hu, Normalization.MASKED_MINMAX)
