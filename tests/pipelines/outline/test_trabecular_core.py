"""The trabecular core: its distance from the surface, its place in the body, its size."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipelines.contract.anatomy import Level
from pipelines.outline.trabecular_core import (
    DEPTH_MM,
    LevelRegion,
    trabecular_region,
    vertebra_frame,
)
from pipelines.read.volume import Segmentation
from pipelines.space.coordinates import Geometry, to_lps
from tests.pipelines.stacks import BODY_MM, Stack, centre_of, located

STACKS = [
    pytest.param(Stack(spacing_mm=(1.0, 0.8, 0.8), shape=(160, 60, 70)), id="1mm"),
    pytest.param(Stack(spacing_mm=(3.0, 1.2, 1.2)), id="3mm"),
    pytest.param(Stack(spacing_mm=(5.0, 0.8, 0.8), shape=(34, 60, 70)), id="5mm"),
    pytest.param(Stack(tilt_degrees=20), id="tilted"),
    pytest.param(Stack(position="HFP"), id="HFP"),
    pytest.param(Stack(position="FFS"), id="FFS"),
]


def region_of(stack: Stack, level: Level = Level.L2) -> tuple[LevelRegion, Geometry]:
    geometry = Geometry(affine=stack.affine, shape=stack.shape, frame_of_reference_uid="1.2")
    region = trabecular_region(
        Segmentation(labels=stack.labels(), geometry=geometry), located(level)
    )
    assert region is not None
    return region, geometry


def core_places(region: LevelRegion, geometry: Geometry) -> NDArray[np.float64]:
    index = np.argwhere(region.core) + [part.start for part in region.box]
    places = to_lps(geometry.affine, index.astype(float))
    return np.asarray(places - np.asarray(centre_of(region.level)))


@pytest.mark.parametrize("stack", STACKS)
def test_core_keeps_four_millimetres_from_endplates_and_cortex(stack: Stack) -> None:
    """Measured against the true surface of the body, not against neighbouring voxels."""
    region, geometry = region_of(stack)
    x, y, z = core_places(region, geometry).T
    height, depth, width = BODY_MM

    # The mask's surface lies within half a voxel of the true one.
    slack = geometry.spacing_mm
    from_endplates = height / 2 - np.abs(z)
    assert from_endplates.min() >= DEPTH_MM - slack[0] / 2
    radius = np.hypot(x / (width / 2), y / (depth / 2))
    from_cortex = (1 - radius) * depth / 2
    assert from_cortex.min() >= DEPTH_MM - max(slack[1:]) - (width - depth) / 2 * 0.3


@pytest.mark.parametrize("stack", [one for one in STACKS if one.id != "tilted"])
def test_core_keeps_four_millimetres_from_every_voxel_outside(stack: Stack) -> None:
    """From the centre of each core voxel to the nearest face of a voxel outside the body."""
    region, geometry = region_of(stack)
    spacing = geometry.spacing_mm
    padded = np.pad(region.body, 1)
    outside = np.argwhere(~padded) - 1
    near_surface = outside[
        np.all((outside >= -1) & (outside <= np.array(region.body.shape)), axis=1)
    ]
    chosen = np.argwhere(region.core)[:: max(1, int(region.core.sum() // 60))]
    for index in chosen:
        gap = np.maximum(np.abs(near_surface - index) - 0.5, 0) * spacing
        assert np.linalg.norm(gap, axis=1).min() >= DEPTH_MM - 0.05


def test_thick_slices_lose_the_slice_beneath_the_endplate() -> None:
    """With 5 mm slices the outermost slice lies 2.5 mm from the surface, not 5 mm."""
    region, _ = region_of(Stack(spacing_mm=(5.0, 0.8, 0.8), shape=(34, 60, 70)))

    slices = np.asarray(region.core.any(axis=(1, 2)))

    assert not slices[0]
    assert not slices[-1]
    assert 2 <= slices.sum() <= 4


@pytest.mark.parametrize("stack", STACKS)
def test_core_lies_in_the_anterior_two_thirds(stack: Stack) -> None:
    """Anterior is the patient's anterior in any position."""
    region, geometry = region_of(stack)
    y = core_places(region, geometry)[:, 1]

    assert y.max() <= -BODY_MM[1] / 2 + 2 / 3 * BODY_MM[1] + max(geometry.spacing_mm[1:])
    assert y.min() < -BODY_MM[1] / 2 + DEPTH_MM + 2.5


@pytest.mark.parametrize("stack", STACKS)
def test_canal_of_the_basivertebral_vein_is_left_out(stack: Stack) -> None:
    """Nothing is measured behind the middle at mid-height near the midline."""
    region, geometry = region_of(stack)
    x, y, z = core_places(region, geometry).T

    assert not ((np.abs(x) < 5) & (y > 1.5) & (np.abs(z) < 2.5)).any()


@pytest.mark.parametrize("stack", STACKS)
def test_core_of_any_stack_is_of_similar_size(stack: Stack) -> None:
    """Slice thickness and position change the core by little, and it is never small."""
    region, geometry = region_of(stack)

    assert 3000 < region.core.sum() * geometry.voxel_mm3 < 12000


def test_level_that_is_not_in_the_label_map_has_no_region() -> None:
    """The level was found but not segmented, so it has no region."""
    stack = Stack()
    geometry = Geometry(affine=stack.affine, shape=stack.shape, frame_of_reference_uid="1.2")
    empty = Segmentation(labels=np.zeros(stack.shape, np.uint8), geometry=geometry)

    assert trabecular_region(empty, located(Level.L1)) is None


def test_body_at_the_edge_is_seen() -> None:
    """A body that reaches the last slice may be cut."""
    stack = Stack(shape=(20, 64, 72))
    labels = np.zeros(stack.shape, np.uint8)
    labels[12:, 20:45, 15:50] = Level.L3
    geometry = Geometry(affine=stack.affine, shape=stack.shape, frame_of_reference_uid="1.2")

    region = trabecular_region(Segmentation(labels=labels, geometry=geometry), located(Level.L3))

    assert region is not None
    assert region.touches_edge


@settings(max_examples=30, deadline=None)
@given(st.tuples(st.floats(-0.6, 0.6), st.floats(-0.6, 0.6), st.floats(0.4, 1)))
def test_vertebra_frame_is_orthonormal_and_right_handed(up: tuple[float, float, float]) -> None:
    """Up, anterior and left are unit vectors at right angles, left to the patient's left."""
    axes = vertebra_frame(up).axes

    assert np.allclose(axes @ axes.T, np.eye(3), atol=1e-9)
    assert axes[2, 0] > 0
    assert axes[1, 1] < 0


def test_centroid_is_that_of_the_body(tmp_path: Path) -> None:
    """Patient coordinates of the middle of the mask."""
    region, _ = region_of(Stack(position="FFS"))

    assert np.allclose(region.centroid_lps_mm, centre_of(Level.L2), atol=0.8)
