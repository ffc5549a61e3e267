"""Measure great vessels and kidneys beside the lumbar spine, without segmenting them.

Takes  CtVolume, Segmentation
Gives  Perfusion
Next   pipelines.gates.contrast_phase
"""

from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np
from scipy import ndimage

from pipelines.contract.anatomy import MEASURED_LEVELS, Level
from pipelines.read.volume import CtVolume, Segmentation
from pipelines.space.coordinates import Box, to_index, to_lps

AHEAD_MM: Final = 40.0
"""Aorta and vena cava lie within this distance before the anterior wall of a body."""
LATERAL_MM: Final = 30.0
BALL_MM: Final = 5.0
"""Radius of a ball that fits into the aorta (18 to 22 mm wide) and into few other structures."""
FLUID_HU: Final = (0.0, 600.0)
"""Blood with or without contrast; fat and gas lie below, calcium and metal above."""
CLEAR_MM: Final = 3.0
"""Gap that excludes the cortex of the body."""
CALM_MM: Final = 2.5
"""Thin slices are averaged to about this thickness, because the noise of one exceeds the range of fluid."""
BALL_TO_CUBE: Final = 0.806
"""Side of the cube with the volume of the ball, divided by the diameter of the ball."""
WHOLE_SHARE: Final = 0.98
"""Least share of fluid in a ball."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A box beside a vertebral body, mm.

    Parameters
    ----------
    left : lowest and highest distance from the middle of the body, to the left of the patient
    posterior : the same to posterior, from the anterior wall of the body
    """

    left: tuple[float, float]
    posterior: tuple[float, float]


AORTA: Final = Window(left=(-6.0, LATERAL_MM), posterior=(-AHEAD_MM, -CLEAR_MM))
CAVA: Final = Window(left=(-LATERAL_MM, 2.0), posterior=(-AHEAD_MM, -CLEAR_MM))
KIDNEYS: Final = (
    Window(left=(35.0, 85.0), posterior=(0.0, 60.0)),
    Window(left=(-85.0, -35.0), posterior=(0.0, 60.0)),
)
"""Behind the anterior wall of the bodies, beside the spine, lie kidneys, muscles and fat; at the edge
lie colon, spleen and liver. Faeces with oral contrast can be as bright as a kidney."""
KIDNEY_BALL_MM: Final = 8.0
"""Radius of a ball that fits into the parenchyma, but into no rib or transverse process."""
KIDNEY_LEVELS: Final = (Level.L1, Level.L2, Level.L3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Perfusion:
    """Attenuation of blood and kidneys, HU; ``None`` where no ball of fluid was found.

    Parameters
    ----------
    brightest
        Highest value in front of the spine over all levels: an upper bound of the blood's attenuation.
    aorta, cava
        Brightest ball in front of the spine on either side, median of the levels.
    kidney
        Brightest ball beside the spine, the brighter side of L1 to L3.
    """

    brightest: float | None
    aorta: float | None
    cava: float | None
    kidney: float | None


def perfusion(ct: CtVolume, segmentation: Segmentation) -> Perfusion:
    """Measure means over balls that hold fluid or soft tissue only.

    Left and right are those of the patient. In an unenhanced scan nothing there is brighter than
    soft tissue, unless bowel with oral contrast lies against the spine.
    """
    aorta = _found(ct, segmentation, MEASURED_LEVELS, AORTA)
    cava = _found(ct, segmentation, MEASURED_LEVELS, CAVA)
    kidneys = [
        _found(ct, segmentation, KIDNEY_LEVELS, window, ball_mm=KIDNEY_BALL_MM)
        for window in KIDNEYS
    ]
    return Perfusion(
        brightest=max((*aorta, *cava), default=None),
        aorta=median(aorta) if aorta else None,
        cava=median(cava) if cava else None,
        kidney=max((value for side in kidneys for value in side), default=None),
    )


def _found(
    ct: CtVolume,
    segmentation: Segmentation,
    levels: tuple[Level, ...],
    window: Window,
    *,
    ball_mm: float = BALL_MM,
) -> list[float]:
    return [
        brightest
        for level in levels
        if (box := _box_beside(ct, segmentation, level, window)) is not None
        and (brightest := _brightest_fluid(ct, box, ball_mm)) is not None
    ]


def _brightest_fluid(ct: CtVolume, box: Box, ball_mm: float) -> float | None:
    together = max(1, round(CALM_MM / float(ct.geometry.spacing_mm[0])))
    hu = ndimage.uniform_filter1d(ct.hu[box], together, axis=0, mode="nearest")
    fluid = (hu > FLUID_HU[0]) & (hu < FLUID_HU[1])
    # A cube replaces the ball; a share of fluid near one means that the cube holds fluid only.
    width = np.round(2 * ball_mm * BALL_TO_CUBE / ct.geometry.spacing_mm).astype(int)
    size = tuple(np.maximum(1, width))
    share = ndimage.uniform_filter(fluid.astype(np.float32), size, mode="constant")
    total = ndimage.uniform_filter(np.where(fluid, hu, 0).astype(np.float32), size)
    whole = share > WHOLE_SHARE
    return float((total[whole] / share[whole]).max()) if whole.any() else None


def _box_beside(
    ct: CtVolume, segmentation: Segmentation, level: Level, window: Window
) -> Box | None:
    """Index box of a window at the height of one body, for stacks that are roughly axial."""
    indices = np.argwhere(segmentation.labels == level)
    if len(indices) == 0:
        return None
    places = to_lps(ct.geometry.affine, indices.astype(float))
    low, high = places.min(axis=0), places.max(axis=0)
    middle = (low[0] + high[0]) / 2
    corners = np.array(
        [
            (x, y, z)
            for x in (middle + window.left[0], middle + window.left[1])
            for y in (low[1] + window.posterior[0], low[1] + window.posterior[1])
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
