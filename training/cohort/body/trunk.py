"""Surfaces of the trunk by height: skin, outer and inner side of the muscle wall."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.cohort.body.plan import BodyPlan
from training.cohort.paint.grid import Bounds, Floats
from training.cohort.paint.sdf import superellipse

# fmt: off
HEIGHTS_MM = (
    -330.0, -180.0, -106.0, -60.0, 0.0, 50.0, 110.0, 170.0, 230.0, 290.0,
    340.0, 390.0, 425.0, 450.0, 475.0, 500.0, 530.0, 620.0,
)
MUSCLE_HALF_WIDTH = (
    150.0, 156.0, 158.0, 150.0, 143.0, 136.0, 134.0, 141.0, 150.0, 154.0,
    160.0, 166.0, 168.0, 158.0, 118.0, 74.0, 60.0, 62.0,
)
MUSCLE_FRONT = (
    -74.0, -90.0, -98.0, -106.0, -116.0, -124.0, -130.0, -132.0, -128.0, -120.0,
    -118.0, -110.0, -99.0, -88.0, -76.0, -80.0, -86.0, -98.0,
)
MUSCLE_BACK = (
    66.0, 72.0, 76.0, 76.0, 66.0, 51.0, 50.0, 56.0, 66.0, 78.0,
    84.0, 86.0, 80.0, 66.0, 48.0, 30.0, 20.0, 12.0,
)
FAT_SIDE = (
    22.0, 26.0, 26.0, 24.0, 18.0, 14.0, 12.0, 11.0, 10.0, 9.0,
    10.0, 10.0, 9.0, 9.0, 8.0, 5.0, 4.0, 4.0,
)
FAT_FRONT = (
    16.0, 18.0, 20.0, 22.0, 20.0, 18.0, 16.0, 13.0, 10.0, 9.0,
    11.0, 10.0, 9.0, 8.0, 6.0, 4.0, 4.0, 4.0,
)
FAT_BACK = (
    24.0, 26.0, 24.0, 22.0, 20.0, 17.0, 14.0, 12.0, 11.0, 10.0,
    10.0, 10.0, 10.0, 9.0, 8.0, 6.0, 5.0, 5.0,
)
CAVITY_HALF_WIDTH = (
    20.0, 40.0, 56.0, 66.0, 104.0, 116.0, 119.0, 126.0, 134.0, 138.0,
    133.0, 113.0, 80.0, 54.0, 32.0, 10.0, 10.0, 10.0,
)
CAVITY_FRONT = (
    -30.0, -64.0, -82.0, -94.0, -105.0, -113.0, -120.0, -122.0, -117.0, -109.0,
    -105.0, -96.0, -80.0, -66.0, -54.0, -50.0, -50.0, -50.0,
)
CAVITY_BACK = (
    20.0, 38.0, 46.0, 50.0, 30.0, 18.0, 20.0, 34.0, 46.0, 55.0,
    62.0, 58.0, 38.0, 16.0, -4.0, -10.0, -10.0, -10.0,
)
# fmt: on
"""Left-right symmetrical; y of front and back relative to S1; BMI 24 kg/m2; neck above 480."""

LUNG_APEX_MM = 474.0

Heights: TypeAlias = NDArray[np.float32]
"""One number for each height."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """Skin, muscle and cavity surfaces of one patient."""

    scale: float
    fatness: float

    def skin(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Distance to the skin."""
        fat = self.fatness
        half = self._at(z, MUSCLE_HALF_WIDTH) + fat * self._at(z, FAT_SIDE)
        front = self._at(z, MUSCLE_FRONT) - fat * self._at(z, FAT_FRONT)
        back = self._at(z, MUSCLE_BACK) + fat * self._at(z, FAT_BACK)
        groove = 7 * np.exp(-((x / 16) ** 2)) * (y > 0)
        return _section(x, y + groove, half, front, back, 2.35)

    def muscle(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Distance to the outer surface of the muscles."""
        groove = 8 * np.exp(-((x / 9) ** 2)) * (y > 0)
        return _section(
            x,
            y + groove,
            self._at(z, MUSCLE_HALF_WIDTH),
            self._at(z, MUSCLE_FRONT),
            self._at(z, MUSCLE_BACK),
            2.35,
        )

    def cavity(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Distance to the inner surface of the muscle wall; closed above the lungs."""
        section = _section(
            x,
            y,
            self._at(z, CAVITY_HALF_WIDTH),
            self._at(z, CAVITY_FRONT),
            self._at(z, CAVITY_BACK),
            2.3,
        )
        return np.asarray(np.maximum(section, z - np.float32(self.apex_mm + 4)))

    @property
    def apex_mm(self) -> float:
        """Height of the lung apex, LPS z."""
        return LUNG_APEX_MM * self.scale

    def cage(self, z: ArrayLike) -> tuple[Heights, Heights, Heights]:
        """Half width, front and back of the middle of the ribs at heights."""
        half, front, back = self.half_width(z)
        inner = 9.0 * self.scale
        wide, before, behind = (
            self._at(np.asarray(z), table)
            for table in (CAVITY_HALF_WIDTH, CAVITY_FRONT, CAVITY_BACK)
        )
        return (
            np.minimum(half - inner, wide + 8 * self.scale),
            np.maximum(front + inner, before - 5 * self.scale),
            np.minimum(back - inner, behind + 14 * self.scale),
        )

    def wall_y(self, x: float, z: float) -> float:
        """Posterior coordinate of the middle of the anterior ribs at a lateral position."""
        half, front, back = self.cage(z)
        middle = 0.45 * front + 0.55 * back
        share = np.maximum(1 - np.abs(x / half) ** 2.3, 0.0) ** (1 / 2.3)
        return float(middle + (front - middle) * share)

    def half_width(self, z: ArrayLike) -> tuple[Heights, Heights, Heights]:
        """Half width, front and back of the muscle layer at heights."""
        half, front, back = (
            self._at(np.asarray(z), table)
            for table in (MUSCLE_HALF_WIDTH, MUSCLE_FRONT, MUSCLE_BACK)
        )
        return half, front, back

    @property
    def bounds(self) -> Bounds:
        """Box around the skin, wide enough above and below for every scan."""
        wide = (168 + 26 * self.fatness) * self.scale + 6
        front, back = 134 + 20 * self.fatness, 88 + 26 * self.fatness
        return (-wide, wide), (-front * self.scale - 8, back * self.scale + 8), (-330.0, 760.0)

    def _at(self, z: NDArray[Any], table: tuple[float, ...]) -> NDArray[np.float32]:
        heights = np.array(HEIGHTS_MM) * self.scale
        return np.asarray(np.interp(z, heights, table) * self.scale, np.float32)


def plan_trunk(plan: BodyPlan) -> Trunk:
    """Plan the trunk: body mass index determines the fat, height the muscles and bones."""
    return Trunk(scale=plan.scale, fatness=float((plan.subject.bmi_kg_m2 / 24.0) ** 2.2))


def _section(
    x: Floats, y: Floats, half: Floats, front: Floats, back: Floats, exponent: float
) -> Floats:
    """Distance to a superellipse; its widest line is nearer to the back than to the front."""
    middle = front * np.float32(0.45) + back * np.float32(0.55)
    depth = np.where(y < middle, middle - front, back - middle)
    return superellipse(x, y - middle, (half, depth), exponent)
