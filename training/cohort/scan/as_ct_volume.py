"""Convert simulated images and known vertebrae to the types of the pipelines."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipelines.contract.anatomy import Level
from pipelines.locate.localize import LocatedVertebra
from pipelines.read.acquisition import AcquisitionHeader
from pipelines.read.volume import CtVolume
from pipelines.space.coordinates import Geometry
from training.cohort.body.plan import VertebraPlan

NO_HEADER: Final = AcquisitionHeader(
    kvp=None,
    convolution_kernel=None,
    slice_thickness_mm=None,
    contrast_agent=None,
    patient_age_years=None,
    patient_sex=None,
    patient_position=None,
    manufacturer=None,
    model_name=None,
)
"""A simulated array has no DICOM header, like a NIfTI file; gates find it empty."""
HALF_MM: Final = 18.0
"""Default distance from the centre of a body to the discs; no caller depends on it."""


def volume(
    hu: NDArray[np.int16] | NDArray[np.float32],
    affine_lps: NDArray[np.float64],
    header: AcquisitionHeader = NO_HEADER,
) -> CtVolume:
    """Wrap an array as a volume of the pipelines.

    Parameters
    ----------
    hu : (slices, rows, columns) HU
    affine_lps : (4, 4)
        Index (slice, row, column, 1) to LPS mm.
    """
    shape = (hu.shape[0], hu.shape[1], hu.shape[2])
    geometry = Geometry(affine=affine_lps, shape=shape, frame_of_reference_uid=None)
    return CtVolume(hu=hu.astype(np.float32), geometry=geometry, frames=(), header=header)


def located(
    vertebra: VertebraPlan,
    level: Level,
    *,
    centre_lps_mm: NDArray[np.float64] | None = None,
    up_lps: NDArray[np.float64] | None = None,
    half_mm: float = HALF_MM,
) -> LocatedVertebra:
    """Return the localization result of a vertebra whose place is known.

    Parameters
    ----------
    centre_lps_mm, up_lps
        Used instead of the true ones, to simulate a localization error.
    half_mm
        From the centre to either disc, along the vertebra.
    """
    centre = vertebra.centre_lps_mm if centre_lps_mm is None else centre_lps_mm
    up = vertebra.axes[2] if up_lps is None else up_lps
    along = _triple(up)
    return LocatedVertebra(
        level=level,
        centre_lps_mm=_triple(centre),
        up_lps=along,
        lower_lps_mm=_triple(centre - half_mm * up),
        upper_lps_mm=_triple(centre + half_mm * up),
        lower_normal_lps=along,
        upper_normal_lps=along,
        complete=True,
    )


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
