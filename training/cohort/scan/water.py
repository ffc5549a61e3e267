"""Measure the attenuation of a patient by height, as an equivalent of water."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.contract.anatomy import Level
from training.cohort.body.organs import paint_lungs
from training.cohort.body.plan import BodyPlan
from training.cohort.body.trunk import plan_trunk
from training.cohort.body.upper_chest import paint_arms
from training.cohort.matter.media import Media
from training.cohort.paint.grid import Grid
from training.cohort.paint.raster import Shape, Volume
from training.cohort.scan.noise import Section

PIXEL_MM = 8.0
STEP_MM = 10.0
HALF_WIDTH_MM = 280.0
MIDDLE_MM = 30.0
MEDIA = Media(kvp=120)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterProfile:
    """Water-equivalent path lengths through the patient, by height.

    Source: AAPM Report 220 (2014), eq. 4a: the area of a slice weighted with HU / 1000 + 1.

    Parameters
    ----------
    heights_mm
        LPS z, ascending.
    diameters_cm
        Diameter of the cylinder of water that attenuates like the slice.
    laterals_cm, frontals_cm
        Paths through the middle, from side to side and from front to back.
    middles_mm : (heights, 2)
        (x, y) of the centre of attenuation, LPS mm.
    """

    heights_mm: NDArray[np.float64]
    diameters_cm: NDArray[np.float64]
    laterals_cm: NDArray[np.float64]
    frontals_cm: NDArray[np.float64]
    middles_mm: NDArray[np.float64]

    def at(self, height_mm: float) -> Section:
        """Return the section at a height; outside the range, that of the nearest slice."""

        def value(of: NDArray[np.float64]) -> float:
            return float(np.interp(height_mm, self.heights_mm, of))

        return Section(
            diameter_cm=value(self.diameters_cm),
            lateral_cm=value(self.laterals_cm),
            frontal_cm=value(self.frontals_cm),
            middle_lps_mm=(value(self.middles_mm[:, 0]), value(self.middles_mm[:, 1])),
        )


def patient_water_cm(plan: BodyPlan) -> float:
    """Water-equivalent diameter at the lumbar spine; it sets the beam hardening of bone there."""
    heights = [float(v.centre_lps_mm[2]) for v in plan.vertebrae if v.level >= Level.L1]
    profile = water_profile(plan, min(heights), max(heights))
    return round(float(profile.diameters_cm.mean()), 2)


def water_profile(
    plan: BodyPlan, low_mm: float, high_mm: float, *, arms: str = "up"
) -> WaterProfile:
    """Measure a patient between two heights on a coarse grid; independent of the field of view.

    Arms, wall and lungs are painted. The cavity is muscle, which compensates for the missing bones.
    """
    first, last = np.floor(low_mm / STEP_MM), np.ceil(high_mm / STEP_MM)
    side = int(2 * HALF_WIDTH_MM / PIXEL_MM)
    corner = -HALF_WIDTH_MM + PIXEL_MM / 2
    grid = Grid(
        origin_lps_mm=(corner, corner, float(first * STEP_MM)),
        spacing_mm=(PIXEL_MM, PIXEL_MM, STEP_MM),
        shape=(int(last - first) + 1, side, side),
    )
    volume, trunk = Volume.of_air(grid), plan_trunk(plan)
    paint_arms(volume, plan, MEDIA, arms=arms)
    for surface, tissue in ((trunk.skin, "fat"), (trunk.muscle, "muscle")):
        volume.paint(Shape(distance=surface, bounds=trunk.bounds), MEDIA.hu(tissue))
    paint_lungs(volume, plan, trunk, MEDIA)
    water = np.clip(volume.hu.astype(np.float64) / 1000 + 1, 0, None)
    return _measured(water, grid)


def _measured(water: NDArray[np.float64], grid: Grid) -> WaterProfile:
    """Sum up attenuation relative to water, (slices, rows, columns)."""
    x, y = grid.axis(0), grid.axis(1)
    total = water.sum(axis=(1, 2))
    middle_x = (water.sum(axis=1) @ x) / total
    middle_y = (water.sum(axis=2) @ y) / total
    near_x = np.abs(x - middle_x[:, None]) < MIDDLE_MM
    near_y = np.abs(y - middle_y[:, None]) < MIDDLE_MM
    frontal = (water.sum(axis=1) * near_x).sum(axis=1) / near_x.sum(axis=1)
    lateral = (water.sum(axis=2) * near_y).sum(axis=1) / near_y.sum(axis=1)
    return WaterProfile(
        heights_mm=grid.axis(2),
        diameters_cm=2 * np.sqrt(total * PIXEL_MM**2 / np.pi) / 10,
        laterals_cm=lateral * PIXEL_MM / 10,
        frontals_cm=frontal * PIXEL_MM / 10,
        middles_mm=np.stack([middle_x, middle_y], axis=1),
    )
