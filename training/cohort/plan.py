"""Where everything lies: poses of the vertebrae, hips, and the outline of the trunk.

The origin is the middle of the upper end plate of S1; patient coordinates (LPS, mm).

Source: body sizes and spine curve as in the cohort's specification; pelvis and trunk measured on
public CTs to about 5 mm.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.anatomy import Level
from training.cohort.subject import LEVELS, Subject

Vector: TypeAlias = NDArray[np.float64]

BODY_SIZES_MM: Final = MappingProxyType(
    {
        # level: width, depth, height of men; the same of women
        Level.T5: ((29, 24, 19.5), (26, 22, 18.0)),
        Level.T6: ((30, 25.5, 20), (27, 23, 18.5)),
        Level.T7: ((31, 27, 20.5), (28, 24, 19)),
        Level.T8: ((33, 28, 21), (29.5, 25, 19.5)),
        Level.T9: ((35, 29, 22), (31, 26, 20.5)),
        Level.T10: ((37, 30, 23), (33, 26.5, 21.5)),
        Level.T11: ((40, 31, 24), (36, 27.5, 22.5)),
        Level.T12: ((42, 32, 26), (38, 29, 24.5)),
        Level.L1: ((44, 33, 27.5), (40, 30, 26)),
        Level.L2: ((46, 34, 28), (42, 31, 26.5)),
        Level.L3: ((48, 35, 28), (44, 32, 27)),
        Level.L4: ((50, 36, 28), (46, 33, 27)),
        Level.L5: ((52, 36, 27), (48, 33, 26)),
    }
)

DISC_BELOW_MM: Final = MappingProxyType(
    {
        Level.T5: 4.0,
        Level.T6: 4.2,
        Level.T7: 4.5,
        Level.T8: 4.8,
        Level.T9: 5.0,
        Level.T10: 5.5,
        Level.T11: 6.2,
        Level.T12: 7.2,
        Level.L1: 8.2,
        Level.L2: 9.2,
        Level.L3: 10.3,
        Level.L4: 11.0,
        Level.L5: 10.5,
    }
)
"""Height of the disc below a vertebra, mid-body."""

LEAN_DEG: Final = MappingProxyType(
    {
        Level.T5: -14.0,
        Level.T6: -9.0,
        Level.T7: -4.0,
        Level.T8: 1.0,
        Level.T9: 5.5,
        Level.T10: 9.0,
        Level.T11: 11.5,
        Level.T12: 13.0,
        Level.L1: 12.5,
        Level.L2: 8.5,
        Level.L3: 1.5,
        Level.L4: -7.5,
        Level.L5: -19.0,
        Level.SACRUM: -37.0,
    }
)
"""Lean of the upward axis of a body to posterior, at a lordosis of 50 degrees."""

SIZE_JITTER: Final = 0.04


@dataclass(frozen=True, slots=True, kw_only=True)
class VertebraPlan:
    """One vertebra: its pose and its sizes.

    Parameters
    ----------
    centre_lps_mm
        Middle of the body.
    axes : (3, 3), rows are the left, posterior and upward axis of the vertebra in LPS
    size_mm
        Width, depth and height of the body.
    """

    level: Level
    centre_lps_mm: Vector
    axes: NDArray[np.float64]
    size_mm: tuple[float, float, float]
    disc_below_mm: float

    def lps(self, left: float, posterior: float, up: float) -> Vector:
        """Place a point of the vertebra in the patient."""
        return np.asarray(self.centre_lps_mm + np.array([left, posterior, up]) @ self.axes)


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyPlan:
    """The whole patient.

    Parameters
    ----------
    vertebrae
        T5 to L5, from above.
    scale
        Size of the skeleton relative to the tables.
    """

    subject: Subject
    vertebrae: tuple[VertebraPlan, ...]
    scale: float
    sacral_slope_deg: float

    @property
    def hip_lps_mm(self) -> Vector:
        """Centre of the left femoral head; the right one mirrors it."""
        place = np.array([85.0 if self.subject.is_male else 84.0, -14.0, -106.0])
        return np.asarray(place * self.scale)

    def vertebra(self, level: Level) -> VertebraPlan:
        """Find a vertebra."""
        return self.vertebrae[LEVELS.index(level)]

    def spine_y(self, z: ArrayLike) -> NDArray[np.float64]:
        """Posterior coordinate of the middle of the bodies at a height; straight beyond the ends."""
        centres = np.array([v.centre_lps_mm for v in self.vertebrae[::-1]])
        return np.asarray(np.interp(np.asarray(z), centres[:, 2], centres[:, 1]))


def plan_body(subject: Subject) -> BodyPlan:
    """Lay out a patient."""
    rng = subject.rng("plan")
    scale = subject.height_cm / (172.0 if subject.is_male else 160.0)
    bend = subject.lordosis_deg / 50.0
    lean = {level: np.deg2rad(LEAN_DEG[level] * bend + rng.normal(0, 0.6)) for level in LEAN_DEG}
    place = np.zeros(3)
    below = lean[Level.SACRUM]
    vertebrae = []
    for level in reversed(LEVELS):
        sizes = BODY_SIZES_MM[level][0 if subject.is_male else 1]
        jitter = rng.normal(1, SIZE_JITTER / 2, 3)
        width, depth, height = (s * scale * j for s, j in zip(sizes, jitter, strict=True))
        disc = DISC_BELOW_MM[level] * scale * rng.normal(1, 0.06)
        place = place + _up((below + lean[level]) / 2) * disc
        centre = place + _up(lean[level]) * height / 2
        place = centre + _up(lean[level]) * height / 2
        below = lean[level]
        up = _up(lean[level])
        vertebrae.append(
            VertebraPlan(
                level=level,
                centre_lps_mm=centre,
                axes=np.array([[1.0, 0.0, 0.0], [0.0, up[2], -up[1]], up]),
                size_mm=(float(width), float(depth), float(height)),
                disc_below_mm=float(disc),
            )
        )
    return BodyPlan(
        subject=subject,
        vertebrae=tuple(reversed(vertebrae)),
        scale=scale,
        sacral_slope_deg=float(-np.rad2deg(lean[Level.SACRUM])),
    )


def _up(lean: float) -> Vector:
    return np.array([0.0, np.sin(lean), np.cos(lean)])
