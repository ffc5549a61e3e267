"""Bodies are cut out on the grid of the CT, each with the value of its level."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pipelines.contract.anatomy import Level
from pipelines.locate.localize import localize
from pipelines.outline.bodies_3mm import FIRST_UNNAMED, segment_bodies
from training.evaluate.real_cts import REFERENCE_LEVELS, Case, read_nifti
from training.loop.measured import dice

LUMBAR = (Level.L1, Level.L2, Level.L3, Level.L4)


@pytest.fixture(scope="module")
def labelled(data: Path) -> Case:
    """The real CT whose bodies are labelled, segmented."""
    ct = read_nifti(data / "ct" / "abdomen_pelvis_3mm.nii.gz")
    found = localize(ct)
    bodies = segment_bodies(ct, found)
    return Case(name="abdomen_pelvis_3mm", ct=ct, found=found, bodies=bodies, seconds=0)


@pytest.fixture(scope="module")
def reference(data: Path) -> dict[Level, np.ndarray]:
    """Its reference labels, by level."""
    path = data / "ct" / "abdomen_pelvis_3mm_vertebral_bodies.nii.gz"
    values = np.asarray(nib.Nifti1Image.from_filename(path).dataobj)
    return {level: values == value for value, level in REFERENCE_LEVELS.items()}


@pytest.mark.data
def test_labels_lie_on_the_grid_of_the_ct(labelled):
    """The same geometry object, one byte a voxel, read-only, named levels only."""
    bodies = labelled.bodies
    assert bodies.geometry is labelled.ct.geometry
    assert bodies.labels.shape == labelled.ct.hu.shape
    assert bodies.labels.dtype == np.uint8
    assert not bodies.labels.flags.writeable
    assert set(np.unique(bodies.labels)) == {0, *(v.level for v in labelled.found.vertebrae)}


@pytest.mark.data
@pytest.mark.parametrize("level", LUMBAR)
def test_lumbar_bodies_overlap_the_reference(labelled, reference, level):
    """Dice at 3 mm against the labels of another program, of a CT never trained on."""
    assert dice(labelled.bodies.labels == level, reference[level]) >= 0.88


@pytest.mark.data
@pytest.mark.parametrize("level", LUMBAR)
def test_centroids_lie_within_six_millimetres(labelled, reference, level):
    """In patient space."""
    linear = labelled.ct.geometry.affine[:3, :3]
    mine = np.argwhere(labelled.bodies.labels == level).mean(axis=0)
    apart = linear @ (mine - np.argwhere(reference[level]).mean(axis=0))
    assert np.linalg.norm(apart) < 6.0


@pytest.mark.data
def test_bodies_lie_around_their_centres(labelled):
    """L1 to L4; L5 is cut too small where it is tilted (docs/results)."""
    inverse = np.linalg.inv(labelled.ct.geometry.affine)
    for vertebra in labelled.found.vertebrae:
        if vertebra.level not in LUMBAR:
            continue
        place = inverse @ np.array([*vertebra.centre_lps_mm, 1.0])
        index = tuple(place[:3].round().astype(int))
        assert labelled.bodies.labels[index] == vertebra.level


@pytest.mark.data
def test_a_lone_vertebra_is_segmented_without_a_name(data):
    """A crop around L3 shows no anchor: bodies are labelled from 101, without a level."""
    ct = read_nifti(data / "ct" / "l3_crop_ct.nii.gz")
    found = localize(ct)
    bodies = segment_bodies(ct, found)
    labels = set(np.unique(bodies.labels)) - {0}
    assert labels == {FIRST_UNNAMED + index for index in range(len(found.unnamed))}
