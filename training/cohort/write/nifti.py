"""Read a NIfTI file as an axial CT stack in patient coordinates, voxel for voxel."""

from pathlib import Path

import nibabel
import numpy as np
from nibabel.spatialimages import SpatialImage
from numpy.typing import NDArray

from training.cohort.errors import UnsuitableImage
from training.cohort.scan.image import CtImage
from training.cohort.scan.orientation import flipped

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
RIGHT_ANGLE_TOLERANCE = 1e-3


def read_nifti(file: Path) -> CtImage:
    """Read a CT in HU; permute and reverse its axes to an axial stack without resampling.

    Columns run to the left of the patient, rows to posterior, slices to superior; in an oblique
    image as near as possible.

    Raises
    ------
    UnsuitableImage
        The image is not three-dimensional, rows and columns are not orthogonal, or values exceed
        16 bits.
    """
    stored = nibabel.load(file)
    if not isinstance(stored, SpatialImage):
        raise UnsuitableImage(f"{file.name} is no volume", "a NIfTI image with an affine")
    values = np.asanyarray(stored.dataobj)
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.ndim != 3:
        raise UnsuitableImage(
            f"{file.name} has {values.ndim} dimensions", "one volume, 3 dimensions"
        )
    return axial_stack(values, LPS_FROM_RAS @ np.asarray(stored.affine, dtype=np.float64))


def axial_stack(values: NDArray[np.generic], affine_lps: NDArray[np.float64]) -> CtImage:
    """Permute and reverse axes of any volume to (slice, row, column) towards S, P and L."""
    order = _index_axes_by_patient_axis(affine_lps)[::-1]
    affine = affine_lps.copy()
    affine[:3, :3] = affine_lps[:3, list(order)]
    image = CtImage(hu=_as_int16(np.transpose(values, order)), affine_lps=affine)
    backwards = tuple(axis for axis in range(3) if affine[2 - axis, axis] < 0)
    image = flipped(image, backwards)
    skew = abs(float(image.row_cosine @ image.column_cosine))
    if skew > RIGHT_ANGLE_TOLERANCE:
        raise UnsuitableImage(
            f"rows and columns have a cosine of {skew:.4f}", "right angles (PS3.3 C.7.6.2.1.1)"
        )
    return image


def _index_axes_by_patient_axis(affine_lps: NDArray[np.float64]) -> tuple[int, int, int]:
    """Index axis nearest to x, to y and to z."""
    cosines = np.abs(affine_lps[:3, :3] / np.linalg.norm(affine_lps[:3, :3], axis=0))
    superior = int(np.argmax(cosines[2]))
    others = [axis for axis in range(3) if axis != superior]
    left = max(others, key=lambda axis: cosines[0, axis])
    return left, next(axis for axis in others if axis != left), superior


def _as_int16(values: NDArray[np.generic]) -> NDArray[np.int16]:
    """Convert to 16 bits; round fractions to the nearest HU."""
    numbers = np.asarray(values)
    low, high = float(numbers.min()), float(numbers.max())
    if not (-32768 <= low <= high <= 32767):
        raise UnsuitableImage(f"values from {low:g} to {high:g}", "HU within 16 bits")
    if np.issubdtype(numbers.dtype, np.floating):
        numbers = np.rint(numbers)
    return numbers.astype(np.int16)
