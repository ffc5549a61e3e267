"""Attenuation of the great vessels in front of the lumbar spine, without segmenting them.

Takes  CtVolume, Segmentation
Gives  Measured
Next   pipelines.gates.contrast
"""

from typing import Final

import numpy as np
from scipy import ndimage

from pipelines.anatomy import MEASURED_LEVELS, Level
from pipelines.findings import Abstained, Measured
from pipelines.reasons import Reason
from pipelines.spaces import to_index, to_lps
from pipelines.trabecular import Box
from pipelines.volume import CtVolume, Segmentation

AHEAD_MM: Final = 40.0
"""Aorta and vena cava lie within this distance before the anterior wall of a body."""
LATERAL_MM: Final = 30.0
BALL_MM: Final = 5.0
"""Radius of a ball that fits into the aorta (18 to 22 mm wide) and into few other things."""
FLUID_HU: Final = (0.0, 600.0)
"""Blood with or without contrast; fat and gas lie below, calcium and metal above."""
CLEAR_MM: Final = 3.0
"""Gap that keeps the cortex of the body out."""
BALL_TO_CUBE: Final = 0.806
"""Side of the cube that holds as much as the ball, by its diameter."""
WHOLE_SHARE: Final = 0.98


def prevertebral_blood(ct: CtVolume, segmentation: Segmentation) -> Measured | Abstained:
    """Brightest ball of fluid right before the lumbar bodies.

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
    found = [
        brightest
        for level in MEASURED_LEVELS
        if (box := _box_before(ct, segmentation, level)) is not None
        and (brightest := _brightest_fluid(ct, box)) is not None
    ]
    if not found:
        return Abstained(reason=Reason.CONTRAST_POSSIBLE)
    return Measured(value=max(found), unit="[hnsf'U]")


def _brightest_fluid(ct: CtVolume, box: Box) -> float | None:
    hu = ct.hu[box]
    fluid = (hu > FLUID_HU[0]) & (hu < FLUID_HU[1])
    # A cube stands for the ball; the share of fluid tells where it is whole.
    width = np.round(2 * BALL_MM * BALL_TO_CUBE / ct.geometry.spacing_mm).astype(int)
    size = tuple(np.maximum(1, width))
    share = ndimage.uniform_filter(fluid.astype(np.float32), size, mode="constant")
    total = ndimage.uniform_filter(np.where(fluid, hu, 0).astype(np.float32), size)
    whole = share > WHOLE_SHARE
    return float((total[whole] / share[whole]).max()) if whole.any() else None


def _box_before(ct: CtVolume, segmentation: Segmentation, level: Level) -> Box | None:
    """Index box from 3 to 40 mm before one body, for stacks that are roughly axial."""
    indices = np.argwhere(segmentation.labels == level)
    if len(indices) == 0:
        return None
    places = to_lps(ct.geometry.affine, indices.astype(float))
    low, high = places.min(axis=0), places.max(axis=0)
    middle = (low[0] + high[0]) / 2
    corners = np.array(
        [
            (x, y, z)
            for x in (middle - LATERAL_MM, middle + LATERAL_MM)
            for y in (low[1] - AHEAD_MM, low[1] - CLEAR_MM)
            for z in (low[2], high[2])
        ]
    )
    index = to_index(ct.geometry.affine, corners)
    start = np.clip(np.floor(index.min(axis=0)), 0, ct.hu.shape).astype(int)
    stop = np.clip(np.ceil(index.max(axis=0)) + 1, 0, ct.hu.shape).astype(int)
    if (stop - start).min() < 1:
        return None
    ranges = [slice(int(a), int(b)) for a, b in zip(start, stop, strict=True)]
    return ranges[0], ranges[1], ranges[2]
