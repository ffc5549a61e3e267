"""Attenuation of the great vessels in front of the lumbar spine, without segmenting them.

Takes  CtVolume, Segmentation
Gives  Measured
Next   pipelines.gates.contrast
"""

from typing import Final

import numpy as np
from scipy import ndimage

from pipelines.findings import Abstained, Measured
from pipelines.reasons import Reason
from pipelines.volume import CtVolume, Segmentation

AHEAD_MM: Final = 40.0
"""Aorta and vena cava lie within this distance before the anterior wall of a body."""
LATERAL_MM: Final = 30.0
BALL_MM: Final = 5.0
"""Radius of a ball that fits into the aorta (18 to 22 mm wide) and into few other things."""
FLUID_HU: Final = (0.0, 600.0)
"""Blood with or without contrast; fat and gas lie below, calcium and metal above."""
SHORTEST_MM: Final = 20.0


def prevertebral_blood(ct: CtVolume, segmentation: Segmentation) -> Measured | Abstained:
    """Brightest ball of fluid right before the vertebral bodies.

    An upper bound of the blood's attenuation: in an unenhanced scan nothing there is brighter
    than soft tissue, unless bowel with oral contrast lies against the spine.

    Returns
    -------
    HU
        Largest mean over a ball of 5 mm radius that holds fluid only.

    Abstains
    --------
    ``CONTRAST_POSSIBLE``
        Nothing was found to measure.
    """
    box = _box_before_spine(ct, segmentation)
    if box is None:
        return Abstained(reason=Reason.CONTRAST_POSSIBLE)
    hu = ct.hu[box]
    fluid = ((hu > FLUID_HU[0]) & (hu < FLUID_HU[1]) & (segmentation.labels[box] == 0)).astype(
        np.float32
    )
    # Three passes of a box approach a ball; the share of fluid tells where the ball is whole.
    size = np.maximum(1, np.round(2 * BALL_MM / ct.geometry.spacing_mm / 2).astype(int) * 2 - 1)
    share = ndimage.uniform_filter(fluid, size, mode="constant")
    total = ndimage.uniform_filter(np.where(fluid > 0, hu, 0).astype(np.float32), size)
    whole = share > 0.98
    if not whole.any():
        return Abstained(reason=Reason.CONTRAST_POSSIBLE)
    return Measured(value=float((total[whole] / share[whole]).max()), unit="[hnsf'U]")


def _box_before_spine(
    ct: CtVolume, segmentation: Segmentation
) -> tuple[slice, slice, slice] | None:
    """Index box between the bodies and 40 mm before them, for stacks that are roughly axial."""
    indices = np.argwhere(segmentation.labels > 0)
    if len(indices) == 0:
        return None
    affine = ct.geometry.affine
    places = indices @ affine[:3, :3].T + affine[:3, 3]
    low, high = places.min(axis=0), places.max(axis=0)
    middle = (low[0] + high[0]) / 2
    corners = np.array(
        [
            (x, y, z)
            for x in (middle - LATERAL_MM, middle + LATERAL_MM)
            for y in (low[1] - AHEAD_MM, low[1] + AHEAD_MM / 2)
            for z in (low[2], high[2])
        ]
    )
    if high[2] - low[2] < SHORTEST_MM:
        return None
    index = (corners - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
    start = np.clip(np.floor(index.min(axis=0)), 0, ct.hu.shape).astype(int)
    stop = np.clip(np.ceil(index.max(axis=0)) + 1, 0, ct.hu.shape).astype(int)
    if (stop - start).min() < 1:
        return None
    return (
        slice(int(start[0]), int(stop[0])),
        slice(int(start[1]), int(stop[1])),
        slice(int(start[2]), int(stop[2])),
    )
