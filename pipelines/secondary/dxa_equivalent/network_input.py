"""Make the input of the networks of study 1: one vertebra as 64 x 128 x 128 voxels.

Takes  CtVolume
Gives  (64, 128, 128) float32
Next   nothing

Source
------
Study 1: "resampled to 5 mm thickness at an interval of 0.625 mm", cropped to 128 x 128 x 64. We take
this as slices of 5 mm sensitivity every 0.625 mm (64 of them span 40 mm, a body and a margin), with
pixels of 0.4 mm. Axes are those of the patient: slices to the head, rows to posterior, columns to
the left.
"""

from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipelines.read.volume import CtVolume
from pipelines.space.coordinates import Geometry
from pipelines.space.resample import GridBox, Smoothing, resample

SHAPE: Final = (64, 128, 128)
SPACING_MM: Final = (0.625, 0.4, 0.4)
THICKNESS_MM: Final = 5.0
WINDOW_HU: Final = (-200.0, 800.0)


class Normalization(StrEnum):
    """Conversion of HU to numbers from 0 to 1.

    ``FIXED_WINDOW`` is the product's: -200 to 800 HU. The study states min-max, which removes the
    absolute attenuation (a masked core then correlates with its HU by -0.07). Both interpretations of
    it remain for ablations: over the whole crop, and over the masked core with 0 outside.
    """

    FIXED_WINDOW = "fixed_window"
    CROP_MINMAX = "crop_minmax"
    MASKED_MINMAX = "masked_minmax"


def crop_vertebra(ct: CtVolume, centre_lps_mm: tuple[float, float, float]) -> NDArray[np.float32]:
    """Cut the box around a body out of a CT, with slices of 5 mm.

    Parameters
    ----------
    centre_lps_mm
        Centroid of the vertebral body.

    Returns
    -------
    (64, 128, 128), HU
        Air (-1000 HU) beyond the scan.
    """
    return sample_box(ct.hu, ct.geometry, centre_lps_mm, slice_mm=ct.slice_mm)


def sample_box(
    hu: NDArray[np.generic],
    geometry: Geometry,
    centre_lps_mm: tuple[float, float, float],
    *,
    slice_mm: float,
) -> NDArray[np.float32]:
    """As `crop_vertebra`, from an array.

    Parameters
    ----------
    hu : (slices, rows, columns)
        On ``geometry``; slices are axial to within a few degrees.
    slice_mm
        Their thickness; smoothing along the slices adds the rest to 5 mm.
    """
    half = (np.array(SHAPE) - 1) / 2 * np.array(SPACING_MM)
    origin = np.asarray(centre_lps_mm) - half[::-1]
    box = np.eye(4)
    box[:3, :3] = np.eye(3)[::-1] * SPACING_MM
    box[:3, 3] = origin
    between = np.linalg.inv(geometry.affine) @ box
    # Filter only the part of the scan that the box covers.
    corners = between[:3, :3] @ _corners() + between[:3, 3:]
    low = np.floor(corners.min(axis=1)).astype(int)
    high = np.ceil(corners.max(axis=1)).astype(int) + 1
    reach = int(np.ceil(2 * THICKNESS_MM / geometry.spacing_mm[0]))
    margin = np.array([reach, 1, 1])
    start = np.clip(low - margin, 0, None)
    stop = np.minimum(high + margin, hu.shape)
    if (stop - start).min() < 1:
        return np.full(SHAPE, -1000, np.float32)
    part = hu[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))].astype(np.float32)
    # The variance of a box profile is its width squared over 12.
    missing = max(0.0, THICKNESS_MM**2 - slice_mm**2) / 12
    sigma = np.sqrt(missing) / geometry.spacing_mm[0]
    return resample(
        part,
        GridBox(affine=geometry.affine, shape=part.shape, start=tuple(start)),
        GridBox(affine=box, shape=SHAPE),
        beyond="grid-constant",
        outside=-1000.0,
        smoothing=Smoothing(sigma=np.array([sigma, 0.0, 0.0]), truncate=3.0),
    )


def _corners() -> NDArray[np.float64]:
    """Return the (3, 8) corners of the box, in its voxels."""
    last = np.array(SHAPE) - 1
    grid = np.meshgrid(*[(0, n) for n in last], indexing="ij")
    return np.stack([axis.ravel() for axis in grid]).astype(float)


def normalized(
    hu: NDArray[np.float32],
    normalization: Normalization = Normalization.FIXED_WINDOW,
    core: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Return numbers from 0 to 1 for the network.

    Parameters
    ----------
    core : as ``hu``
        Trabecular voxels; needed for ``MASKED_MINMAX``, whose output is 0 outside.

    Raises
    ------
    ValueError
        ``MASKED_MINMAX`` without a core.
    """
    if normalization is Normalization.FIXED_WINDOW:
        low, high = WINDOW_HU
        return np.asarray((np.clip(hu, low, high) - low) / (high - low), np.float32)
    if normalization is Normalization.CROP_MINMAX:
        return _minmax(hu, hu)
    if core is None or not core.any():
        msg = "masked_minmax needs a trabecular core"
        raise ValueError(msg)
    return np.where(core, _minmax(hu, hu[core]), 0).astype(np.float32)


def coarse(image: NDArray[np.float32], stride: tuple[int, int, int]) -> NDArray[np.float32]:
    """Return means over boxes of ``stride`` voxels (slices, rows, columns); incomplete boxes are dropped."""
    sizes = [n // step for n, step in zip(image.shape, stride, strict=True)]
    whole = image[tuple(slice(n * step) for n, step in zip(sizes, stride, strict=True))]
    boxes = whole.reshape(sizes[0], stride[0], sizes[1], stride[1], sizes[2], stride[2])
    return np.asarray(boxes.mean(axis=(1, 3, 5)), np.float32)


def _minmax(hu: NDArray[np.float32], of: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = float(of.min()), float(of.max())
    return np.asarray(np.clip((hu - low) / max(high - low, 1.0), 0, 1), np.float32)
