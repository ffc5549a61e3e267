"""Plan the skeleton of a patient: position, orientation and size of every vertebra, and the hips.

Patient coordinates (LPS, mm); the origin is the middle of the upper end plate of S1.

Source: body sizes and spine curve as in docs/domain.md 3.3; pelvis and trunk measured on
public CTs to about 5 mm.
"""

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.contract.anatomy import Level
from training.cohort.body.fracture import KYPHOSIS_DECAY, KYPHOSIS_PASSED_ON, support
from training.cohort.people.findings import HEALTHY, MODELLED, Findings, LevelFindings
from training.cohort.people.form import Form
from training.cohort.people.subject import Subject

Vector: TypeAlias = NDArray[np.float64]

BODY_SIZES_MM: Final = MappingProxyType(
    {
        # level: width, depth, height of men; then of women
        Level.T1: ((31, 17.5, 17.0), (28, 16, 15.5)),
        Level.T2: ((29, 18.5, 17.8), (26.5, 17, 16.3)),
        Level.T3: ((28, 20.5, 18.4), (25.5, 18.7, 17)),
        Level.T4: ((28, 22.5, 19.0), (25, 20.5, 17.5)),
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
        Level.T1: 3.9,
        Level.T2: 3.6,
        Level.T3: 3.5,
        Level.T4: 3.7,
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
"""Height of the disc below a vertebra in the middle of the body."""

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
        Level.T1: -27.0,
        Level.T2: -26.0,
        Level.T3: -23.0,
        Level.T4: -19.0,
    }
)
"""Posterior lean of the upward axis of a body at a lordosis of 50 degrees."""

SIZE_JITTER: Final = 0.04

LABEL_L6: Final = 25
LABEL_T13: Final = 28
EXTRA_NAMES: Final = MappingProxyType({LABEL_L6: "L6", LABEL_T13: "T13"})
"""Extra vertebrae beyond the usual 24, by VerSe label."""

LUMBARISED_LEAN_DEG: Final = (-13.0, -25.0)
"""Lean of L5 and L6 with a lumbarised S1; the curve includes one more vertebra."""

STANDARD_FORM: Final = Form()

SACRALISED_DISC: Final = 0.5
"""Height of the rudimentary disc below a sacralised L5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VertebraPlan:
    """Pose, sizes and findings of one vertebra.

    Parameters
    ----------
    centre_lps_mm
        Middle of the body.
    axes : (3, 3), rows are the left, posterior and upward axis of the vertebra in LPS
    level
        Level that determines the shape. An extra vertebra has the shape of its neighbour above:
        L6 that of L5, T13 that of T12.
    size_mm
        Width, depth and height of the healthy body.
    disc_overlap_mm
        Distance by which the disc below overlaps the healthy bodies on either side.
    fused
        Sides (1 left, -1 right) on which the transverse process is fused with the sacrum.
    asymmetry
        Excess height of the body on the left over the right, as a share.
    """

    level: Level
    centre_lps_mm: Vector
    axes: NDArray[np.float64]
    size_mm: tuple[float, float, float]
    disc_below_mm: float
    disc_overlap_mm: float = 5.0
    findings: LevelFindings = HEALTHY
    extra: bool = False
    fused: tuple[int, ...] = ()
    asymmetry: float = 0.0
    form: Form = STANDARD_FORM

    @property
    def label(self) -> int:
        """Value in label maps: the ``Level``; 25 for L6 and 28 for T13, as in VerSe."""
        if not self.extra:
            return int(self.level)
        return LABEL_L6 if self.level == Level.L5 else LABEL_T13

    @property
    def name(self) -> str:
        """Name by the count from the head."""
        return EXTRA_NAMES.get(self.label, self.level.name)

    def lps(self, left: float, posterior: float, up: float) -> Vector:
        """Convert a point from the axes of the vertebra to patient coordinates."""
        return np.asarray(self.centre_lps_mm + np.array([left, posterior, up]) @ self.axes)


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyPlan:
    """Geometry of the whole patient.

    Parameters
    ----------
    vertebrae
        T1 to L5 and any extra vertebra, from above.
    scale
        Size of the skeleton relative to the tables.
    """

    subject: Subject
    vertebrae: tuple[VertebraPlan, ...]
    scale: float
    sacral_slope_deg: float

    @property
    def hip_lps_mm(self) -> Vector:
        """Centre of the left femoral head; the right head mirrors it."""
        place = np.array([85.0 if self.subject.is_male else 84.0, -14.0, -106.0])
        return np.asarray(place * self.scale)

    def vertebra(self, level: Level) -> VertebraPlan:
        """Return a vertebra of the usual 24 by its level."""
        return next(v for v in self.vertebrae if v.label == level)

    def spine_y(self, z: ArrayLike) -> NDArray[np.float64]:
        """Posterior coordinate of the middle of the bodies at a height; constant beyond the ends."""
        return self._spine(z, 1)

    def spine_x(self, z: ArrayLike) -> NDArray[np.float64]:
        """Left coordinate of the middle of the bodies at a height; constant beyond the ends."""
        return self._spine(z, 0)

    def _spine(self, z: ArrayLike, axis: int) -> NDArray[np.float64]:
        centres = np.array([v.centre_lps_mm for v in self.vertebrae[::-1]])
        return np.asarray(np.interp(np.asarray(z), centres[:, 2], centres[:, axis]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slot:
    """One vertebra of the spine before it has a position.

    Parameters
    ----------
    lean, tilt, turn
        Radians: lean to posterior, tilt to the left, turn of the front to the left.
    """

    level: Level
    extra: bool
    size_mm: tuple[float, float, float]
    disc_mm: float
    lean: float
    tilt: float = 0.0
    turn: float = 0.0


def plan_body(subject: Subject) -> BodyPlan:
    """Plan the skeleton of a patient."""
    scale = subject.height_cm / (172.0 if subject.is_male else 160.0)
    slots, slope = _slots(subject, scale)
    slots = coronal_curve(slots, subject.findings)
    return BodyPlan(
        subject=subject,
        vertebrae=tuple(reversed(_stacked(slots, subject, -slope))),
        scale=scale,
        sacral_slope_deg=float(np.rad2deg(slope)),
    )


def _slots(subject: Subject, scale: float) -> tuple[list[_Slot], float]:
    """Return sizes and sagittal lean of every vertebra from below, and the sacral slope (rad)."""
    rng, found = subject.rng("plan"), subject.findings
    bend = subject.lordosis_deg / 50.0
    form = subject.form
    lean = {
        level: np.deg2rad(_lean_deg(level, form.kyphosis) * bend + rng.normal(0, 0.6))
        for level in LEAN_DEG
    }
    slots = []
    for level in reversed(MODELLED):
        sizes = BODY_SIZES_MM[level][0 if subject.is_male else 1]
        jitter = rng.normal(1, SIZE_JITTER / 2, 3)
        formed = (1.0, form.body_depth, form.body_height)
        width, depth, height = (
            float(s * scale * j * f) for s, j, f in zip(sizes, jitter, formed, strict=True)
        )
        disc = DISC_BELOW_MM[level] * scale * rng.normal(1, 0.06) * found.at(level).disc_height
        disc *= form.disc
        if level == Level.L5 and found.lumbosacral == "sacralised_l5":
            disc *= SACRALISED_DISC
        slots.append(
            _Slot(
                level=level,
                extra=False,
                size_mm=(width, depth, height),
                disc_mm=float(disc),
                lean=float(lean[level]),
            )
        )
    if found.lumbosacral == "lumbarised_s1":
        slots = _with_extra(slots, bend, thoracic=found.thoracolumbar == "lumbar_ribs")
    return slots, float(-lean[Level.SACRUM])


def _lean_deg(level: Level, kyphosis: float) -> float:
    """Lean of a level; the kyphosis scales the curve above T12."""
    if level >= Level.T12:
        return LEAN_DEG[level]
    straight = LEAN_DEG[Level.T12]
    return straight + (LEAN_DEG[level] - straight) * kyphosis


def _with_extra(slots: list[_Slot], bend: float, *, thoracic: bool) -> list[_Slot]:
    """Add T13 below T12, or L6 below L5."""
    levels = [slot.level for slot in slots]
    if thoracic:
        place = levels.index(Level.T12)
        above, below = slots[place], slots[place - 1]
        sizes = np.mean([above.size_mm, below.size_mm], axis=0)
        size_mm = (float(sizes[0]), float(sizes[1]), float(sizes[2]))
        lean = (above.lean + below.lean) / 2
        return [
            *slots[:place],
            replace(above, extra=True, lean=lean, size_mm=size_mm),
            *slots[place:],
        ]
    last, free = np.deg2rad(np.array(LUMBARISED_LEAN_DEG) * bend)
    lowest = slots[0]
    return [
        replace(lowest, extra=True, lean=float(free)),
        replace(lowest, lean=float(last)),
        *slots[1:],
    ]


def coronal_curve(slots: list[_Slot], found: Findings) -> list[_Slot]:
    """Tilt and turn the vertebrae around the apex of a scoliosis.

    The end vertebrae tilt by half the Cobb angle in opposite directions. The apex turns most, with
    its front to the convex side. A tilt of the whole curve then places T1 above the sacrum.
    """
    if not found.cobb_deg:
        return slots
    names = [(slot.level, slot.extra) for slot in slots]
    apex = names.index((found.scoliosis_apex, False))
    away = np.arange(len(slots)) - apex
    reach = np.where(away < 0, min(apex + 1, 8), min(len(slots) - apex, 8))
    share = np.clip(away / reach, -1, 1)
    half = np.deg2rad(found.cobb_deg) / 2
    tilt = -half * np.sin(np.pi * share)
    steps = np.array([slot.size_mm[2] + slot.disc_mm for slot in slots])
    tilt -= float((np.sin(tilt) * steps).sum() / steps.sum())
    turn = np.deg2rad(found.cobb_deg) * found.rotation_per_cobb * np.cos(np.pi / 2 * share)
    return [
        replace(slot, tilt=float(t), turn=float(r))
        for slot, t, r in zip(slots, tilt, turn, strict=True)
    ]


def _stacked(slots: list[_Slot], subject: Subject, sacrum: float) -> list[VertebraPlan]:
    """Stack the vertebrae on the sacrum; fractures lower and tilt the spine above."""
    found = subject.findings
    place, below, kyphosis = np.zeros(3), (sacrum, 0.0), 0.0
    vertebrae: list[VertebraPlan] = []
    for slot in slots:
        own = HEALTHY if slot.extra else found.at(slot.level)
        bearing = support(own, slot.size_mm)
        lean = slot.lean - kyphosis
        middle = _up((below[0] + lean) / 2, (below[1] + slot.tilt) / 2)
        place = place + middle * slot.disc_mm
        axes = _axes(lean, slot.tilt, slot.turn)
        height = slot.size_mm[2]
        centre = place + axes[2] * (height / 2 - bearing.lower_mm)
        place = centre + axes[2] * (height / 2 - bearing.upper_mm)
        fallen = vertebrae[-1].findings.height_loss * slot.size_mm[2] if vertebrae else 0.0
        vertebrae.append(
            VertebraPlan(
                level=slot.level,
                centre_lps_mm=centre,
                axes=axes,
                size_mm=slot.size_mm,
                disc_below_mm=slot.disc_mm,
                disc_overlap_mm=5.0 + max(fallen, bearing.lower_mm, 0.8 * own.schmorl_mm),
                findings=own,
                extra=slot.extra,
                fused=_fused(slot, found),
                asymmetry=found.body_asymmetry,
                form=subject.form,
            )
        )
        below = (lean - bearing.kyphosis_rad, slot.tilt)
        kyphosis = kyphosis * KYPHOSIS_DECAY + bearing.kyphosis_rad * KYPHOSIS_PASSED_ON
    return vertebrae


def _fused(slot: _Slot, found: Findings) -> tuple[int, ...]:
    if found.lumbosacral != "sacralised_l5" or slot.level != Level.L5:
        return ()
    return {"both": (1, -1), "left": (1,), "right": (-1,)}[found.fused_sides]


def _up(lean: float, tilt: float) -> Vector:
    """Upward axis after a lean to posterior and a tilt to the left."""
    return np.array([np.sin(tilt), np.cos(tilt) * np.sin(lean), np.cos(tilt) * np.cos(lean)])


def _axes(lean: float, tilt: float, turn: float) -> NDArray[np.float64]:
    """Left, posterior and upward axis; a positive turn moves the front to the left."""
    up = _up(lean, tilt)
    left = np.cross([0.0, np.cos(lean), -np.sin(lean)], up)
    left /= np.linalg.norm(left)
    posterior = np.cross(up, left)
    cos, sin = np.cos(turn), np.sin(turn)
    return np.array([cos * left + sin * posterior, cos * posterior - sin * left, up])
