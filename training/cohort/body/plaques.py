"""Shapes of calcified plaques on the wall of the aorta."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipelines.contract.anatomy import Level
from training.cohort.body.implants import grown_to
from training.cohort.body.organs import aorta_path
from training.cohort.body.plan import BodyPlan
from training.cohort.paint.grid import Floats
from training.cohort.paint.raster import Shape
from training.cohort.paint.sdf import curve, ellipsoid, enclosing

Path: TypeAlias = NDArray[np.float64]
"""(n, 4): position and radius of the aorta, from above."""

THICKNESS_MM = 2.2
TALL = 1.3
"""Height of a plaque relative to its width."""

LARGEST_MM3 = 160.0
"""Maximum volume of one plaque; a larger volume becomes several plaques."""


def plaque_shapes(plan: BodyPlan) -> dict[Level, list[Shape]]:
    """Return the plaques beside each level; their total volume is the stated one."""
    found = plan.subject.findings.plaque_mm3
    if not found:
        return {}
    path = curve(aorta_path(plan), spacing_mm=1.0)
    return {level: _plaques(plan, path, level, volume) for level, volume in found.items() if volume}


def _plaques(plan: BodyPlan, path: Path, level: Level, volume_mm3: float) -> list[Shape]:
    rng = plan.subject.rng(f"plaques {level.name}")
    count = int(np.ceil(volume_mm3 / LARGEST_MM3))
    shares = rng.dirichlet(np.full(count, 4.0))
    vertebra = plan.vertebra(level)
    half = vertebra.size_mm[2] / 2 + vertebra.disc_below_mm / 2
    low, high = (vertebra.centre_lps_mm[2] + s * half for s in (-0.9, 0.9))
    beside = path[(path[:, 2] > low) & (path[:, 2] < high)]
    # Even steps around and along the aorta prevent overlaps of plaques.
    turns = rng.uniform(0, 2 * np.pi) + np.arange(count) * 2.4
    rows = np.linspace(0.12, 0.88, count) * (len(beside) - 1) if count > 1 else [len(beside) / 2]
    return [
        _plaque(beside, beside[int(row)], float(turn), float(share * volume_mm3))
        for row, turn, share in zip(rows, turns, shares, strict=True)
    ]


def _plaque(path: Path, place: Path, turn: float, volume_mm3: float) -> Shape:
    """Part of the wall within a ball centred on it; the radius is searched for the volume."""
    radius = float(place[3])
    centre = place[:3] + radius * np.array([np.cos(turn), np.sin(turn), 0.0])
    line = path[np.abs(path[:, 2] - place[2]) < 24.0][::-1]

    def within(reach: float) -> Shape:
        radii = (reach, reach, TALL * reach)

        def distance(x: Floats, y: Floats, z: Floats) -> Floats:
            axis = [np.interp(z, line[:, 2], line[:, k]).astype(np.float32) for k in (0, 1)]
            wall = np.hypot(x - axis[0], y - axis[1]) - np.float32(radius)
            sheet = np.abs(wall + np.float32(THICKNESS_MM * 0.2)) - np.float32(THICKNESS_MM / 2)
            ball = ellipsoid(x, y, z, centre, radii)
            # Real plaques are thinner towards the edge.
            return np.asarray(np.maximum(sheet + 0.12 * np.minimum(ball, 0) + 0.4, ball))

        return Shape(distance=distance, bounds=enclosing(centre[None], TALL * reach + 1))

    return grown_to(within, volume_mm3, *_reaches(volume_mm3), step_mm=0.8)


def _reaches(volume_mm3: float) -> tuple[float, float]:
    """Bounds of the radius: of a ball and of a thin plate with the volume."""
    ball = (volume_mm3 / (4.2 * TALL)) ** (1 / 3)
    plate = (volume_mm3 / (0.5 * THICKNESS_MM * np.pi * TALL)) ** 0.5
    return 0.8 * ball, float(1.4 * plate + 2.0)
