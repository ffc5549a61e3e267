"""One resampler: what lies beyond the source, boxes of grids, smoothing."""

import numpy as np
import pytest

from pipelines.space.resample import Beyond, GridBox, Smoothing, resample, to_coarser

SHAPE = (6, 7, 8)


def grid(spacing_mm: float = 1.0, start: tuple[int, ...] = (0, 0, 0)) -> GridBox:
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    return GridBox(affine=affine, shape=SHAPE, start=start)


def ramp() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)


@pytest.mark.parametrize(
    ("beyond", "expected"), [("nearest", 10.0), ("constant", -4.0), ("grid-constant", 3.0)]
)
def test_beyond_the_last_voxel(beyond: Beyond, expected: float) -> None:
    """Half a voxel beyond: the edge, the outer value, or the step of one voxel between them."""
    half = np.eye(4)
    half[0, 3] = SHAPE[0] - 0.5
    target = GridBox(affine=half, shape=(1, 1, 1))

    found = resample(np.full(SHAPE, 10, np.float32), grid(), target, beyond=beyond, outside=-4.0)

    assert found.item() == pytest.approx(expected)


def test_a_box_of_the_target_is_that_part_of_the_whole() -> None:
    """``start`` counts from the first voxel of the grid."""
    target = GridBox(affine=grid(0.7).affine, shape=(3, 3, 3), start=(2, 1, 3))

    whole = resample(ramp(), grid(), grid(0.7), beyond="nearest")
    part = resample(ramp(), grid(), target, beyond="nearest")

    assert np.allclose(part, whole[2:5, 1:4, 3:6], atol=1e-4)


def test_a_box_of_the_source_is_enough_for_what_lies_in_it() -> None:
    """A caller may cut the source before it is sampled."""
    box = (slice(1, 5), slice(2, 6), slice(3, 8))
    target = GridBox(affine=grid().affine, shape=(2, 2, 2), start=(2, 3, 4))

    found = resample(ramp()[box], GridBox.of(grid().affine, box), target, beyond="constant")

    assert np.array_equal(found, ramp()[2:4, 3:5, 4:6])


def test_only_finer_sources_are_smoothed() -> None:
    """To a voxel twice as wide 0.66 voxels of Gaussian; to a finer one none."""
    both = to_coarser(np.array([0.5, 1.0, 4.0]), 1.0)

    assert both.sigma == pytest.approx([0.38 * 3**0.5, 0, 0])


def test_smoothing_keeps_axes_without_width() -> None:
    """A plane across the smoothed axis spreads along it only."""
    values = np.zeros(SHAPE, np.float32)
    values[3] = 1
    values[:, 3] += 1
    smoothing = Smoothing(sigma=np.array([1.0, 0, 0]), truncate=3.0)

    found = resample(values, grid(), grid(), beyond="nearest", smoothing=smoothing)

    assert found[3, 0, 0] < 0.5
    assert found[0, 3, 0] == pytest.approx(1, abs=0.02)
    assert found[0, 2, 0] < 0.02
