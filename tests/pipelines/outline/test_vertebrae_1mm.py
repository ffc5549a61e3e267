"""Vertebral bodies at 1 mm: the transform to the crop and back, and the choice of the outline."""

from dataclasses import replace

import numpy as np
import pytest

from models.structures_1mm import VertebraStructure
from pipelines.contract.anatomy import Level
from pipelines.locate.localize import Localization, LocatedVertebra
from pipelines.outline.vertebrae_1mm import refine_bodies, vertebra_grid, whole_vertebra
from pipelines.read.oriented_crop import OrientedGrid, box_of, crop, on_ct
from pipelines.read.volume import CtVolume, Segmentation
from pipelines.space.coordinates import CanonicalGrid, Geometry, to_lps
from training.cohort.scan.as_ct_volume import NO_HEADER

SPACING_MM = np.array([2.0, 1.0, 1.0])
SHAPE = (40, 90, 90)
CENTRE_MM = np.array([45.0, 45.0, 40.0])
BODY_MM = np.array([26.0, 32.0, 44.0])
"""Height, depth, width of a box that replaces a body."""


def volume(up=(0.0, 0.0, 1.0)):
    """One body of 500 HU, leaning along ``up``."""
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[::-1] * SPACING_MM[:, None].T
    geometry = Geometry(affine=affine, shape=SHAPE, frame_of_reference_uid=None)
    indices = np.stack(np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij"), axis=-1)
    places = to_lps(affine, indices.astype(float)) - CENTRE_MM
    axes = vertebra_grid(vertebra(up)).axes
    inside = (np.abs(places @ axes.T) < BODY_MM / 2).all(axis=-1)
    hu = np.where(inside, 500.0, 0.0).astype(np.float32)
    return CtVolume(hu=hu, geometry=geometry, frames=(), header=NO_HEADER), inside


def vertebra(up=(0.0, 0.0, 1.0)):
    centre = (45.0, 45.0, 40.0)
    return LocatedVertebra(
        level=Level.L3,
        centre_lps_mm=centre,
        up_lps=up,
        lower_lps_mm=(45.0, 45.0, 22.0),
        upper_lps_mm=(45.0, 45.0, 58.0),
        lower_normal_lps=up,
        upper_normal_lps=up,
        complete=True,
    )


def localization(up=(0.0, 0.0, 1.0)):
    grid = CanonicalGrid(origin_lps_mm=np.zeros(3), spacing_mm=3.0, shape=(4, 4, 4))
    return Localization(
        vertebrae=(vertebra(up),),
        presumed=False,
        unnamed=(),
        grid=grid,
        body_probability=np.zeros(grid.shape, np.float32),
    )


def seeing(hu):
    """A network that predicts all dense voxels as body, and half of these as core."""
    parts = np.zeros((len(VertebraStructure), *hu.shape), np.float32)
    body = hu > 250
    parts[VertebraStructure.BODY_SHELL] = body
    parts[VertebraStructure.BODY_SHELL, :, :, ::2] = 0
    parts[VertebraStructure.TRABECULAR_CORE] = body - parts[VertebraStructure.BODY_SHELL]
    return parts


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


TILTED = (0.0, np.sin(np.deg2rad(25)), np.cos(np.deg2rad(25)))


@pytest.mark.parametrize("up", [(0.0, 0.0, 1.0), TILTED], ids=["upright", "tilted"])
def test_a_body_is_the_same_on_the_grid_of_the_ct(up):
    """The body is cropped along its axes, outlined, and transformed back."""
    ct, inside = volume(up)
    coarse = Segmentation(labels=(inside * np.uint8(Level.L3)), geometry=ct.geometry)
    refined, found = refine_bodies(ct, localization(up), coarse, seeing)
    assert dice(refined.labels == Level.L3, inside) > 0.93
    assert found[Level.L3].is_confident
    assert (found[Level.L3].core & ~found[Level.L3].body).sum() == 0


def test_a_fine_outline_far_from_the_coarse_one_is_not_taken():
    """Two networks disagree: the level keeps its 3 mm outline."""
    ct, inside = volume()
    labels = np.roll(inside, 10, axis=0) * np.uint8(Level.L3)
    coarse = Segmentation(labels=labels, geometry=ct.geometry)
    refined, found = refine_bodies(ct, localization(), coarse, seeing)
    assert not found[Level.L3].is_confident
    assert np.array_equal(refined.labels, labels)


def test_a_body_of_impossible_volume_is_not_taken():
    """A tenth of a vertebra."""
    ct, inside = volume()

    def sliver(hu):
        parts = seeing(hu)
        parts[:, :22] = 0
        return parts

    coarse = Segmentation(labels=inside * np.uint8(Level.L3), geometry=ct.geometry)
    refined, found = refine_bodies(ct, localization(), coarse, sliver)
    assert Level.L3 not in found or not found[Level.L3].is_confident
    assert np.array_equal(refined.labels, coarse.labels)


def everything_dense(hu):
    """A network that predicts all bone as this vertebra."""
    parts = np.zeros((len(VertebraStructure), *hu.shape), np.float32)
    parts[VertebraStructure.POSTERIOR_ELEMENTS] = hu > 250
    return parts


@pytest.mark.parametrize("what", ["ribs", "muscle"])
def test_a_whole_vertebra_holds_neither_ribs_nor_muscle(what):
    """The fine network predicts both as processes; the 3 mm network predicts them correctly."""
    plain, inside = volume()
    (_, front, right), (_, back, left) = (
        np.argwhere(inside).min(axis=0),
        np.argwhere(inside).max(axis=0),
    )
    grid = CanonicalGrid(origin_lps_mm=np.zeros(3), spacing_mm=3.0, shape=(27, 31, 31))
    rib, bone = np.zeros(grid.shape, np.float32), np.ones(grid.shape, np.float32)
    hu = np.array(plain.hu)
    if what == "ribs":
        hu[18:22, front : front + 8, :] = 500
        rib[:, :, : right // 3] = rib[:, :, left // 3 + 1 :] = 1
    else:
        hu[14:26, back : back + 20, 28:62] = 500
        bone[:, back // 3 + 1 :] = 0
    ct = replace(plain, hu=hu)
    found = replace(localization(), grid=grid, rib_probability=rib, bone_probability=bone)
    _, expected = whole_vertebra(plain, vertebra(), None, everything_dense)
    _, alone = whole_vertebra(ct, vertebra(), None, everything_dense)
    _, mask = whole_vertebra(ct, vertebra(), found, everything_dense)
    added = int((alone & ~expected).sum())
    assert added > 1_000
    assert (mask & ~expected).sum() < 0.4 * added  # a voxel of 3 mm beside the border
    assert (mask & expected).sum() > 0.97 * expected.sum()


def test_the_axes_of_a_crop_are_up_posterior_and_left():
    """Orthonormal, in patient coordinates (x left, y posterior, z up)."""
    axes = vertebra_grid(vertebra(TILTED)).axes
    assert np.allclose(axes @ axes.T, np.eye(3))
    assert axes[0] @ np.array(TILTED) == pytest.approx(1)
    assert axes[1, 1] > 0.8
    assert axes[2, 0] == pytest.approx(1)


def test_values_return_to_the_places_they_came_from():
    """A ramp along x is the same after cropping and transforming back."""
    ct, _ = volume()
    ramp = CtVolume(
        hu=np.broadcast_to(np.arange(90, dtype=np.float32), SHAPE),
        geometry=ct.geometry,
        frames=(),
        header=NO_HEADER,
    )
    grid = OrientedGrid(
        centre_lps_mm=CENTRE_MM, axes=np.eye(3)[::-1], shape=(24, 32, 32), spacing_mm=1.0
    )
    box = box_of(ct.geometry, grid)
    back = on_ct(crop(ramp, grid), grid, ct.geometry, box)
    inner = back[2:-2, 4:-4, 4:-4]
    assert np.allclose(inner, ramp.hu[box][2:-2, 4:-4, 4:-4], atol=0.01)
