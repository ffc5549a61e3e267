"""NIfTI to an axial stack: every voxel keeps its value and its position in the patient."""

from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from training.cohort.errors import UnsuitableImage
from training.cohort.scan.header import SeriesHeader
from training.cohort.scan.orientation import rotation
from training.cohort.write.dicom import write_series
from training.cohort.write.nifti import axial_stack, read_nifti

AXES = [np.array(p) for p in permutations(range(3))]
SIGNS = list(product((1.0, -1.0), repeat=3))


def placed_values(values, affine_lps):
    """Values by patient coordinates, rounded to a micrometre."""
    index = np.indices(values.shape).reshape(3, -1)
    places = affine_lps[:3, :3] @ index + affine_lps[:3, 3:]
    return {tuple(p): v for p, v in zip(np.round(places.T, 3) + 0.0, values.ravel(), strict=True)}


@pytest.mark.parametrize("oblique", [False, True])
@pytest.mark.parametrize("axes", AXES, ids=str)
def test_every_orientation_keeps_values_and_places(axes, oblique):
    """All 48 orders and directions of axes, and the same rotated by some degrees."""
    values = np.arange(3 * 4 * 5).reshape(3, 4, 5).astype(np.int16)
    for signs in SIGNS:
        affine = np.eye(4)
        affine[:3, :3] = 0
        for axis, (sign, spacing) in enumerate(zip(signs, (0.8, 1.1, 2.5), strict=True)):
            affine[axes[axis], axis] = sign * spacing
        affine[:3, 3] = (-31.0, 17.0, 205.5)
        if oblique:
            affine = rotation((8.0, -5.0, 11.0)) @ affine
        image = axial_stack(values, affine)
        assert placed_values(image.hu, image.affine_lps) == placed_values(values, affine)
        assert np.all(np.diag(image.affine_lps[:3, 2::-1]) > 0)


@pytest.mark.data
def test_a_real_ct_is_written_to_dicom_voxel_for_voxel(tmp_path: Path, data: Path):
    source = nibabel.nifti1.load(data / "ct" / "abdomen_pelvis_3mm.nii.gz")
    values = np.rint(source.get_fdata())
    image = read_nifti(data / "ct" / "abdomen_pelvis_3mm.nii.gz")
    files = write_series(image, SeriesHeader(key="real"), tmp_path)
    to_index = np.linalg.inv(source.affine)
    for file in (files[0], files[55], files[-1]):
        ds = pydicom.dcmread(file)
        hu = ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
        row, column = np.reshape(ds.ImageOrientationPatient, (2, 3)).astype(float)
        r, c = np.indices(hu.shape)
        lps = np.array(ds.ImagePositionPatient, float)[:, None, None]
        lps = lps + row[:, None, None] * float(ds.PixelSpacing[1]) * c
        lps = lps + column[:, None, None] * float(ds.PixelSpacing[0]) * r
        ras = np.stack([-lps[0], -lps[1], lps[2], np.ones_like(lps[0])])
        index = np.tensordot(to_index, ras, axes=1)[:3]
        nearest = np.rint(index).astype(int)
        np.testing.assert_allclose(index, nearest, atol=1e-4)
        np.testing.assert_array_equal(hu, values[tuple(nearest)])


def test_a_sheared_plane_is_refused():
    """Rows and columns of a DICOM image are orthogonal."""
    affine = np.eye(4)
    affine[0, 1] = 0.2
    with pytest.raises(UnsuitableImage, match="right angles"):
        axial_stack(np.zeros((3, 3, 3), np.int16), affine)


def test_values_beyond_16_bits_are_refused():
    with pytest.raises(UnsuitableImage, match="16 bits"):
        axial_stack(np.full((2, 2, 2), 1e6), np.eye(4))


def test_a_time_series_is_refused(tmp_path):
    file = tmp_path / "four.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros((2, 2, 2, 3), np.int16), np.eye(4)), file)
    with pytest.raises(UnsuitableImage, match="4 dimensions"):
        read_nifti(file)
