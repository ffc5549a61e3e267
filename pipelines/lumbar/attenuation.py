"""Measure the mean attenuation of the trabecular core of each level, or withhold it.

Takes  CtVolume, LevelRegion
Gives  LevelMeasurement
Next   pipelines.lumbar.measure
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.contract.anatomy import Level
from pipelines.contract.findings import Abstained, Measured
from pipelines.contract.reasons import Reason
from pipelines.outline.trabecular_core import LevelRegion
from pipelines.read.volume import CtVolume

ATTENUATION_UNIT: Final = "[hnsf'U]"
VOLUME_UNIT: Final = "mm3"

SMALLEST_CORE_MM3: Final = 1000.0
"""Smallest core that is measured. The core of a lumbar body of normal
size holds 5 to 10 cm3, also with 5 mm slices, of which three lie wholly inside; a manual region
(2 to 3 cm2 in one 5 mm slice) holds 1 to 1.5 cm3."""

METAL_HU: Final = 2000.0
"""Cement starts at 2000 HU, dense cortex ends at about 1600 HU."""
METAL_MM3: Final = 20.0
METAL_REACH_MM: Final = 5.0

LEAST_AGREEMENT: Final = 0.8
"""Dice overlap of a body in the scan and in its mirror image. Fine masks of one network agree by
0.85 and more; one voxel of 3 mm at the border of a body changes it by 0.05 to 0.1."""

MEAN_RANGE_HU: Final = (-50.0, 350.0)
"""Marrow with 60 % fat and no mineral at all has about -50 HU; above 350 HU the bone is
sclerotic and the mean is no measure of density."""

FOCAL_HU: Final = 200.0
FOCAL_SPREADS: Final = 5.0
FOCAL_SHARE: Final = 0.02
"""A focal lesion: over 2 % of the core lies over 200 HU, and over five robust standard deviations,
from its median. Trabecular texture and noise stay within (a bone island of 5 mm is 1 % of a core)."""

NOMINAL_WIDTH_DEPTH_HEIGHT_MM: Final = {
    Level.L1: (42.0, 31.5, 26.8),
    Level.L2: (44.0, 32.5, 27.3),
    Level.L3: (46.0, 33.5, 27.5),
    Level.L4: (48.0, 34.5, 27.5),
}
"""Mean of men and women; single dimensions vary by 5 to 7 %."""
VOLUME_SHARE: Final = 0.85
"""Of the box: the section is a rounded rectangle with a concave back, the waist is narrower."""
VOLUME_RANGE: Final = (0.45, 1.8)
"""Of the nominal volume: the smallest woman to the largest man (four standard deviations of each
dimension), and not half a vertebra or two that ran together."""
HEIGHT_RANGE_MM: Final = (15.0, 42.0)
"""Under 15 mm the body is crushed (more than 40 % of its height lost); over 42 mm it holds a
disc or a second body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelMeasurement:
    """Attenuation and core volume of one level.

    Parameters
    ----------
    is_mixed
        The core holds something other than trabecular bone, so its mean is not used.
    """

    attenuation: Measured | Abstained
    core_volume: Measured | Abstained
    is_mixed: bool = False


def measure_level(
    ct: CtVolume, region: LevelRegion, *, complete: bool, agreement: float = 1.0
) -> LevelMeasurement:
    """Mean and standard deviation over the core of one level.

    Parameters
    ----------
    complete
        Whether the localisation saw the whole body.
    agreement
        Dice overlap of the body between two passes of the network, 0 to 1.

    Returns
    -------
    HU, mm3
        Arithmetic mean over the core's voxels, and their volume.

    Abstains
    --------
    ``LEVEL_INCOMPLETE``
        The body is cut by the edge of the scan.
    ``SEGMENTATION_UNSTABLE``
        Two passes of the network agree on less than 80 % of the body.
    ``IMPLAUSIBLE_SHAPE``
        Volume or height is not that of a lumbar body.
    ``METAL``
        20 mm3 or more above 2000 HU in the body or within 5 mm of it.
    ``ROI_TOO_SMALL``
        Core under 1 cm3.
    ``IMPLAUSIBLE_ATTENUATION``
        Mean below -50 or above 350 HU.
    """
    voxel_mm3 = ct.geometry.voxel_mm3
    if region.touches_edge or not complete:
        return _withheld(Reason.LEVEL_INCOMPLETE)
    if agreement < LEAST_AGREEMENT:
        return _withheld(Reason.SEGMENTATION_UNSTABLE)
    if not has_plausible_shape(region, float(region.body.sum()) * voxel_mm3):
        return _withheld(Reason.IMPLAUSIBLE_SHAPE)
    if has_metal(ct, region):
        return _withheld(Reason.METAL)
    volume_mm3 = float(region.core.sum()) * voxel_mm3
    if volume_mm3 < SMALLEST_CORE_MM3:
        return _withheld(Reason.ROI_TOO_SMALL)
    values = ct.hu[region.box][region.core].astype(np.float64)
    mean = float(values.mean())
    if not MEAN_RANGE_HU[0] <= mean <= MEAN_RANGE_HU[1]:
        return _withheld(Reason.IMPLAUSIBLE_ATTENUATION)
    return LevelMeasurement(
        attenuation=Measured(
            value=mean, unit=ATTENUATION_UNIT, standard_deviation=float(values.std(ddof=1))
        ),
        core_volume=Measured(value=volume_mm3, unit=VOLUME_UNIT),
        is_mixed=has_focal_lesion(values),
    )


def has_focal_lesion(values: NDArray[np.float64]) -> bool:
    """Whether a part of the core is far denser or emptier than the rest.

    Parameters
    ----------
    values : (voxels,) HU
        Of the core.
    """
    median = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - median)))
    far = np.abs(values - median) > max(FOCAL_HU, FOCAL_SPREADS * spread)
    return bool(far.mean() > FOCAL_SHARE)


def _withheld(reason: Reason) -> LevelMeasurement:
    return LevelMeasurement(
        attenuation=Abstained(reason=reason), core_volume=Abstained(reason=reason)
    )


def has_plausible_shape(region: LevelRegion, volume_mm3: float) -> bool:
    """Whether volume and height are possible for a lumbar body of this level."""
    nominal = VOLUME_SHARE * float(np.prod(NOMINAL_WIDTH_DEPTH_HEIGHT_MM[region.level]))
    ratio = volume_mm3 / nominal
    height_mm = region.extent_mm[0]
    return (
        VOLUME_RANGE[0] <= ratio <= VOLUME_RANGE[1]
        and HEIGHT_RANGE_MM[0] <= height_mm <= HEIGHT_RANGE_MM[1]
    )


def has_metal(ct: CtVolume, region: LevelRegion) -> bool:
    """Whether cement, a screw or other metal lies in or next to the body."""
    reach = np.ceil(METAL_REACH_MM / ct.geometry.spacing_mm).astype(int)
    box = tuple(
        slice(max(0, part.start - pad), min(size, part.stop + pad))
        for part, pad, size in zip(region.box, reach, ct.hu.shape, strict=True)
    )
    dense = ct.hu[box] >= METAL_HU
    if not dense.any():
        return False
    outside = np.ones(dense.shape, bool)
    inner = tuple(
        slice(part.start - wide.start, part.stop - wide.start)
        for part, wide in zip(region.box, box, strict=True)
    )
    outside[inner] = ~region.body
    distance = ndimage.distance_transform_edt(outside, sampling=tuple(ct.geometry.spacing_mm))
    near = dense & (distance <= METAL_REACH_MM)
    return bool(near.sum() * ct.geometry.voxel_mm3 >= METAL_MM3)
