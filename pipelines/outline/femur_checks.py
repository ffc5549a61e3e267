"""Check an outlined proximal femur: shape, metal, symmetry.

Takes  masks at 1 mm, CtVolume
Gives  bool
Next   pipelines.outline.proximal_femur

A side that fails is withheld, each check with a reason of its own (docs/domain.md 4.4: volume, shape
and symmetry outliers, metal, truncation).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.structures_1mm import FINE_SPACING_MM
from pipelines.contract.anatomy import Side
from pipelines.read.volume import CtVolume
from pipelines.space.coordinates import to_lps

Mask = NDArray[np.bool_]

METAL_HU: Final = 2500.0
METAL_MM3: Final = 300.0
HIP_FROM_MIDLINE_MM: Final = (45.0, 135.0)
"""Screws of the spine and the sacrum lie nearer, rings of a hand farther out."""
HIP_HEIGHT_MM: Final = (-110.0, 60.0)
"""Around the centre of a femoral head: a stem extends below it, a cup hardly above it."""
HIP_DEPTH_MM: Final = 70.0

VOLUME_MM3: Final = (35_000.0, 190_000.0)
"""Head to lesser trochanter of adults; measured masks: 50 to 150 cm3."""
HEAD_RADIUS_MM: Final = (16.0, 31.0)
"""Adults: 18 to 29 mm."""
OFFSET_MM: Final = (12.0, 68.0)
"""From the centre of the head sideways to shaft and lesser trochanter; adults: 20 to 60 mm. A displaced fracture of
the neck and a dislocated hip are outside."""
LARGEST_RATIO: Final = 1.35
"""Volumes of the two sides of one patient; healthy sides differ by a few per cent."""
WIDEST_HU_DIFFERENCE: Final = 120.0
"""Mean attenuation of the two sides of one patient."""


def is_femur_shaped(femur: Mask, head: NDArray[np.float64], cut: int, volume_mm3: float) -> bool:
    """Whether size and proportions are those of a whole proximal femur.

    Parameters
    ----------
    femur : (slices, rows, columns) bool
        Axes up, posterior, lateral; 1 mm; cut at the lesser trochanter.
    head : (3,)
        Centre of the head.
    cut
        Lowest slice.
    """
    if not _within(volume_mm3, VOLUME_MM3):
        return False
    radius = _head_radius_mm(femur, head)
    shaft = np.argwhere(femur[cut : cut + 4].any(axis=0))
    if radius is None or len(shaft) == 0:
        return False
    offset = float(shaft[:, 1].mean() - head[2]) * FINE_SPACING_MM
    return _within(radius, HEAD_RADIUS_MM) and _within(offset, OFFSET_MM)


def _head_radius_mm(femur: Mask, head: NDArray[np.float64]) -> float | None:
    """Half the depth (front to back) of the head in the slice of its centre."""
    places = np.round(head).astype(int)
    if not all(0 <= place < size for place, size in zip(places, femur.shape, strict=True)):
        return None
    up, _, lateral = places
    # Beside the trochanter the head alone is as deep as it is high.
    columns = femur[up, :, max(0, lateral - 4) : lateral + 5]
    depths = columns.sum(axis=0)
    return float(np.median(depths)) / 2 * FINE_SPACING_MM if depths.any() else None


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def has_metal(hu: NDArray[np.float32], femur: Mask) -> bool:
    """Screws, a nail or a prosthesis in the bone or at its surface (1 mm)."""
    near = ndimage.binary_dilation(femur, iterations=3)
    return float(((hu > METAL_HU) & near).sum()) * FINE_SPACING_MM**3 > METAL_MM3


def sides_with_metal(
    ct: CtVolume, midline_mm: float, hip_height_mm: float, hip_depth_mm: float | None
) -> frozenset[Side]:
    """Sides with a prosthesis or a nail, also where the network predicts no femur because of it.

    Parameters
    ----------
    midline_mm, hip_height_mm, hip_depth_mm
        LPS x of the midline, z and (where a head is known) y of the femoral heads.
    """
    index = np.argwhere(ct.hu > METAL_HU)
    if len(index) * ct.geometry.voxel_mm3 <= METAL_MM3:
        return frozenset()
    x, y, z = to_lps(ct.geometry.affine, index.astype(float)).T
    beside = np.abs(x - midline_mm)
    low, high = HIP_HEIGHT_MM
    near = (beside >= HIP_FROM_MIDLINE_MM[0]) & (beside <= HIP_FROM_MIDLINE_MM[1])
    near &= (z >= hip_height_mm + low) & (z <= hip_height_mm + high)
    if hip_depth_mm is not None:
        near &= np.abs(y - hip_depth_mm) <= HIP_DEPTH_MM
    left = x > midline_mm  # LPS: x grows towards the patient's left.
    found = {
        side: float((near & here).sum()) * ct.geometry.voxel_mm3
        for side, here in ((Side.LEFT, left), (Side.RIGHT, ~left))
    }
    return frozenset(side for side, volume in found.items() if volume > METAL_MM3)
