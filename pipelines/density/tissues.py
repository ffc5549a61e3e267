"""Measure air, subcutaneous fat and muscle of a patient around the lumbar spine.

Takes  CtVolume, Segmentation
Gives  Tissues
Next   pipelines.density.internal
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.contract.anatomy import MEASURED_LEVELS
from pipelines.read.volume import CtVolume, Segmentation
from pipelines.space.coordinates import Geometry, canonical_grid, to_lps
from pipelines.space.masks import largest_part, without_holes
from pipelines.space.resample import resample_to_canonical

GRID_MM: Final = 3.0
"""Coarse enough to average noise, fine enough to separate fat from skin and muscle."""
AIR_HU: Final = (-1030.0, -960.0)
AIR_FROM_SKIN_MM: Final = 15.0
SKIN_HU: Final = -300.0
FAT_HU: Final = (-140.0, -60.0)
FAT_FROM_SKIN_MM: Final = (4.0, 30.0)
MUSCLE_HU: Final = (10.0, 90.0)
MUSCLE_FROM_SPINE_MM: Final = (25.0, 75.0)
"""From the middle of the bodies, at their height: psoas and erector spinae."""
BEHIND_BODY_MM: Final = -20.0
FEWEST_VOXELS: Final = 200
"""5 cm3; regions of interest drawn by hand are smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tissues:
    """Median attenuation, HU; ``None`` where the scan holds too little of the tissue."""

    air: float | None
    fat: float | None
    muscle: float | None


def measure_tissues(ct: CtVolume, segmentation: Segmentation) -> Tissues:
    """Measure in the slices that hold L1 to L4.

    A voxel counts if all neighbours within 3 mm are of the same tissue, which excludes borders. Padding
    outside the reconstructed circle has one constant value and is not air.
    """
    rows = np.flatnonzero(np.isin(segmentation.labels, MEASURED_LEVELS).any(axis=(1, 2)))
    if len(rows) < 2:
        return Tissues(air=None, fat=None, muscle=None)
    slab, geometry = _slab(ct, int(rows[0]), int(rows[-1]) + 1)
    grid = canonical_grid(geometry, GRID_MM)
    padding = slab == slab.min()
    is_padded = slab.min() < AIR_HU[0] and padding.mean() > 0.01
    hu = resample_to_canonical(slab, geometry, grid, outside=-1000.0)
    outside_circle = np.zeros(hu.shape, bool)
    if is_padded:
        share = resample_to_canonical(padding.astype(np.float32), geometry, grid, outside=1.0)
        outside_circle = share > 0.01
    inside = _patient(hu)
    to_skin = ndimage.distance_transform_edt(inside, sampling=GRID_MM)
    from_skin = ndimage.distance_transform_edt(~inside, sampling=GRID_MM)
    air = (from_skin > AIR_FROM_SKIN_MM) & ~outside_circle
    fat = (to_skin > FAT_FROM_SKIN_MM[0]) & (to_skin < FAT_FROM_SKIN_MM[1])
    index = np.argwhere(np.isin(segmentation.labels, MEASURED_LEVELS)).astype(float)
    middle = to_lps(ct.geometry.affine, index).mean(axis=0)
    x = grid.origin_lps_mm[0] + GRID_MM * np.arange(hu.shape[2]) - middle[0]
    y = grid.origin_lps_mm[1] + GRID_MM * np.arange(hu.shape[1]) - middle[1]
    aside = np.hypot(x[None, :], y[:, None])
    beside = (aside > MUSCLE_FROM_SPINE_MM[0]) & (aside < MUSCLE_FROM_SPINE_MM[1])
    beside &= (y > BEHIND_BODY_MM)[:, None]
    return Tissues(
        air=_median(hu, air, AIR_HU),
        fat=_median(hu, fat, FAT_HU),
        muscle=_median(hu, np.broadcast_to(beside, hu.shape), MUSCLE_HU),
    )


def _slab(ct: CtVolume, start: int, stop: int) -> tuple[NDArray[np.float32], Geometry]:
    affine = ct.geometry.affine.copy()
    affine[:3, 3] += affine[:3, 0] * start
    hu = ct.hu[start:stop].astype(np.float32)
    shape = (hu.shape[0], hu.shape[1], hu.shape[2])
    uid = ct.geometry.frame_of_reference_uid
    return hu, Geometry(affine=affine, shape=shape, frame_of_reference_uid=uid)


def _patient(hu: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Trunk with lungs and bowel gas, slice by slice; without the table, which is thin or separate."""
    return without_holes(largest_part(ndimage.binary_opening(hu > SKIN_HU, iterations=2)))


def _median(
    hu: NDArray[np.float32], where: NDArray[np.bool_], allowed: tuple[float, float]
) -> float | None:
    same = ndimage.binary_erosion((hu > allowed[0]) & (hu < allowed[1]))
    values = hu[same & where]
    return float(np.median(values)) if len(values) >= FEWEST_VOXELS else None
