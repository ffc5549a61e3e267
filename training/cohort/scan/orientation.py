"""Change patient position, gantry tilt or plane orientation of a simulated stack."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from training.cohort.errors import BadCohortConfig
from training.cohort.scan.image import CtImage

FLIPPED_AXES: Final[dict[str, tuple[int, ...]]] = {
    "HFS": (),
    "HFP": (1, 2),
    "FFS": (0, 2),
    "FFP": (0, 1),
}
"""Index axes (slice, row, column) whose direction is opposite to head first supine.

Feet first reverses the slices. Where the left side of the patient is on the other side of the
gantry the columns are reversed; where the front faces down, the rows.
"""


def laid(image: CtImage, patient_position: str) -> CtImage:
    """Reorder a head-first supine stack as a scanner stores it in another patient position.

    Every voxel keeps its patient coordinates. Only order and direction cosines change.
    """
    if patient_position not in FLIPPED_AXES:
        raise BadCohortConfig(
            f"patient_position = {patient_position!r}", "one of " + ", ".join(FLIPPED_AXES)
        )
    return flipped(image, FLIPPED_AXES[patient_position])


def flipped(image: CtImage, axes: tuple[int, ...]) -> CtImage:
    """Reverse index axes; every voxel keeps its patient coordinates."""
    affine = image.affine_lps.copy()
    for axis in axes:
        affine[:3, 3] += affine[:3, axis] * (image.hu.shape[axis] - 1)
        affine[:3, axis] *= -1
    return CtImage(hu=np.ascontiguousarray(np.flip(image.hu, axes)), affine_lps=affine)


def turned(image: CtImage, degrees: tuple[float, float, float]) -> CtImage:
    """Rotate the patient about the x, y and z axes; the stack is then oblique, the voxels equal."""
    affine = rotation(degrees) @ image.affine_lps
    return CtImage(hu=image.hu, affine_lps=affine)


def gantry_tilted(image: CtImage, degrees: float) -> CtImage:
    """Return the stack of a gantry tilted about the x axis; the table moves along z.

    Resamples linearly: the planes are inclined and their positions step along z.
    """
    angle = np.deg2rad(degrees)
    spacing = image.spacing_mm
    target = np.eye(4)
    target[:3, 0] = (0, 0, spacing[0])
    target[:3, 1] = np.array([0, np.cos(angle), np.sin(angle)]) * spacing[1]
    target[:3, 2] = (spacing[2], 0, 0)
    middle = np.append((np.array(image.hu.shape) - 1) / 2, 1)
    target[:3, 3] = (image.affine_lps @ middle)[:3] - target[:3, :3] @ middle[:3]
    source_from_target = np.linalg.inv(image.affine_lps) @ target
    hu = affine_transform(
        image.hu.astype(np.float32), source_from_target, order=1, mode="constant", cval=-1000.0
    )
    return CtImage(hu=np.rint(hu).astype(np.int16), affine_lps=target)


def rotation(degrees: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return the (4, 4) rotation about x, then y, then z."""
    result = np.eye(4)
    for axis, angle in enumerate(np.deg2rad(degrees)):
        one = np.eye(4)
        first, second = [k for k in range(3) if k != axis]
        one[first, first] = one[second, second] = np.cos(angle)
        one[first, second], one[second, first] = -np.sin(angle), np.sin(angle)
        result = one @ result
    return result
