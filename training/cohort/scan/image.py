"""Define ``CtImage``, a CT in patient coordinates: output of the simulator, input of the writers."""

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class CtImage:
    """An axial (or nearly axial) stack in HU.

    Parameters
    ----------
    hu : (slices, rows, columns) int16, HU
        Slices may run in either direction.
    affine_lps : (4, 4) float64, mm
        Maps index (slice, row, column, 1) to patient coordinates (left, posterior, superior).
        With a gantry tilt its columns are not orthogonal.
    """

    hu: NDArray[np.int16]
    affine_lps: NDArray[np.float64]

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxels along the slice, row and column axes."""
        steps = np.linalg.norm(self.affine_lps[:3, :3], axis=0)
        return float(steps[0]), float(steps[1]), float(steps[2])

    @property
    def row_cosine(self) -> NDArray[np.float64]:
        """Direction in which the column index grows: first half of Image Orientation (Patient)."""
        return np.asarray(self.affine_lps[:3, 2] / self.spacing_mm[2])

    @property
    def column_cosine(self) -> NDArray[np.float64]:
        """Direction in which the row index grows: second half of Image Orientation (Patient)."""
        return np.asarray(self.affine_lps[:3, 1] / self.spacing_mm[1])

    @property
    def normal(self) -> NDArray[np.float64]:
        """Normal of the image plane: row cosine x column cosine."""
        return np.cross(self.row_cosine, self.column_cosine)

    @property
    def slice_gap_mm(self) -> float:
        """Distance between neighbouring image planes, along their normal."""
        return abs(float(self.normal @ self.affine_lps[:3, 0]))

    def position_lps_mm(self, number: int) -> NDArray[np.float64]:
        """Centre of the first voxel of slice ``number``: Image Position (Patient)."""
        return np.asarray(self.affine_lps[:3, 3] + number * self.affine_lps[:3, 0])


def content_digest(image: CtImage) -> str:
    """SHA-256 of the values and their place in the patient."""
    digest = sha256(np.ascontiguousarray(image.hu).astype("<i2").tobytes())
    digest.update(np.ascontiguousarray(image.affine_lps).astype("<f8").tobytes())
    return digest.hexdigest()
