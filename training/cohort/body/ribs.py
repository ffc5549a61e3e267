"""Shapes of the ribs: tubes that start at their vertebrae."""

import numpy as np
from numpy.typing import NDArray

from pipelines.contract.anatomy import Level
from training.cohort.body.plan import BodyPlan, VertebraPlan
from training.cohort.body.trunk import Trunk
from training.cohort.paint.raster import Shape
from training.cohort.paint.sdf import around, beads, curve

REACH_DEG = {
    Level.T12: 66.0, Level.T11: 98.0, Level.T10: 126.0, Level.T9: 138.0,
    Level.T1: 158.0, Level.T2: 156.0, Level.T3: 153.0, Level.T4: 150.0,
}  # fmt: skip
"""Angle that a rib covers around the trunk, from the posterior midline."""

DROP_MM = {
    Level.T12: 58.0, Level.T11: 92.0, Level.T10: 112.0, Level.T9: 115.0,
    Level.T1: 34.0, Level.T2: 52.0, Level.T3: 70.0, Level.T4: 88.0, Level.T5: 102.0,
}  # fmt: skip
"""Descent of a rib along its course."""

RADIUS_MM = 4.4
LUMBAR_RIB, SHORT_RIB = 0.30, 0.35
"""Lengths of supernumerary and of short twelfth ribs, relative to a twelfth rib."""


def rib_shapes(plan: BodyPlan, trunk: Trunk) -> list[Shape]:
    """Return both ribs of every vertebra with ribs."""
    return [
        _rib(plan, vertebra, trunk, side, length)
        for vertebra in plan.vertebrae
        if (length := rib_length(plan, vertebra)) > 0
        for side in (1, -1)
    ]


def rib_length(plan: BodyPlan, vertebra: VertebraPlan) -> float:
    """Length of the ribs of a vertebra as a share of the usual length; 0 for none."""
    variant = plan.subject.findings.thoracolumbar
    if variant == "lumbar_ribs" and _is_below_t12(plan, vertebra):
        return LUMBAR_RIB
    if vertebra.level > Level.T12 or vertebra.extra:
        return 0.0
    if vertebra.level == Level.T12:
        return {"short_ribs": SHORT_RIB, "no_ribs": 0.0}.get(variant, 1.0)
    return 1.0


def _is_below_t12(plan: BodyPlan, vertebra: VertebraPlan) -> bool:
    labels = [v.label for v in plan.vertebrae]
    return vertebra.label == labels[labels.index(Level.T12) + 1]


def rib_path(
    plan: BodyPlan, vertebra: VertebraPlan, trunk: Trunk, side: int
) -> NDArray[np.float64]:
    """Points of a rib from its head to its front end."""
    width, depth, height = vertebra.size_mm
    head = vertebra.lps(side * width * 0.47, depth * 0.42, height * 0.30)
    tubercle = vertebra.lps(side * (width * 0.33 + 14), depth / 2 + 19, height * 0.30)
    ring = _round_the_trunk(vertebra, trunk, tubercle) * np.array([side, 1, 1])
    return np.concatenate([[head, tubercle], ring])


def _rib(plan: BodyPlan, vertebra: VertebraPlan, trunk: Trunk, side: int, length: float) -> Shape:
    points = rib_path(plan, vertebra, trunk, side)
    radius = RADIUS_MM * (0.85 if vertebra.level >= Level.T12 else 1.0)
    knots = np.column_stack([points, np.full(len(points), radius)])

    def balls() -> NDArray[np.float64]:
        path = curve(knots, spacing_mm=1.5)
        return path[: max(8, int(len(path) * length))]

    return beads(balls, around(knots), 1.6)


def _round_the_trunk(
    vertebra: VertebraPlan, trunk: Trunk, start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Points from the rib angle to its front end, inside the muscle layer."""
    reach = REACH_DEG.get(min(vertebra.level, Level.T12), 145.0)
    drop = DROP_MM.get(min(vertebra.level, Level.T12), 112.0) * trunk.scale
    angles = np.deg2rad(np.linspace(30.0, reach, max(4, int(reach / 12))))
    share = (angles - angles[0]) / (np.deg2rad(145.0) - angles[0])
    full = drop / ((np.deg2rad(reach) - angles[0]) / (np.deg2rad(145.0) - angles[0]))
    z = start[2] - 6 - full * share**0.75
    half, front, back = trunk.cage(z)
    middle = 0.45 * front + 0.55 * back
    cosine, sine = np.cos(angles), np.sin(angles)
    depth = np.where(cosine > 0, back, 2 * middle - front) - middle
    bulge = (np.abs(sine) ** 2.3 + np.abs(cosine) ** 2.3) ** (-1 / 2.3)
    return np.column_stack([half * sine * bulge, middle + depth * cosine * bulge, z])
