"""Ribs 5 to 12 as tubes that hang on their vertebrae."""

import numpy as np
from numpy.typing import NDArray

from pipelines.anatomy import Level
from training.cohort.plan import BodyPlan, VertebraPlan
from training.cohort.raster import Shape
from training.cohort.sdf import beads, curve
from training.cohort.trunk import Trunk

REACH_DEG = {Level.T12: 66.0, Level.T11: 98.0, Level.T10: 126.0, Level.T9: 138.0}
"""How far a rib runs round the trunk, from the back midline."""

DROP_MM = {Level.T12: 58.0, Level.T11: 92.0, Level.T10: 112.0, Level.T9: 115.0}
"""How far it descends on the way."""

RADIUS_MM = 4.4


def rib_shapes(plan: BodyPlan, trunk: Trunk) -> list[Shape]:
    """Both ribs of every thoracic vertebra of the plan."""
    return [
        _rib(vertebra, trunk, side)
        for vertebra in plan.vertebrae
        if vertebra.level <= Level.T12
        for side in (1, -1)
    ]


def _rib(vertebra: VertebraPlan, trunk: Trunk, side: int) -> Shape:
    width, depth, height = vertebra.size_mm
    head = vertebra.lps(width * 0.47, depth * 0.42, height * 0.30)
    tubercle = vertebra.lps(width * 0.33 + 14, depth / 2 + 19, height * 0.30)
    points = np.concatenate([[head, tubercle], _round_the_trunk(vertebra, trunk, tubercle)])
    points[:, 0] *= side
    path = curve(points, spacing_mm=1.5)
    radii = np.full(len(path), RADIUS_MM * (0.85 if vertebra.level == Level.T12 else 1.0))
    return beads(path, radii, 1.6)


def _round_the_trunk(
    vertebra: VertebraPlan, trunk: Trunk, start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Points from the rib angle to its front end, inside the muscle layer."""
    reach = REACH_DEG.get(vertebra.level, 145.0)
    drop = DROP_MM.get(vertebra.level, 112.0) * trunk.scale
    angles = np.deg2rad(np.linspace(30.0, reach, max(4, int(reach / 12))))
    share = (angles - angles[0]) / (np.deg2rad(145.0) - angles[0])
    full = drop / ((np.deg2rad(reach) - angles[0]) / (np.deg2rad(145.0) - angles[0]))
    places = []
    for angle, part in zip(angles, share, strict=True):
        z = start[2] - 6 - full * part**0.75
        half, front, back = trunk.half_width(float(z))
        inner = 9.0 * trunk.scale
        middle = 0.45 * front + 0.55 * back
        depth = (back if np.cos(angle) > 0 else 2 * middle - front) - middle - inner
        c, s = np.cos(angle), np.sin(angle)
        bulge = (np.abs(s) ** 2.3 + np.abs(c) ** 2.3) ** (-1 / 2.3)
        places.append(((half - inner) * s * bulge, middle + depth * c * bulge, z))
    return np.array(places)
