"""How a fracture or a Schmorl node deforms the end plates of a body.

Source: Genant et al. 1993 (wedge, biconcave and crush by the height in front, in the middle and
behind); a wedge keeps its back wall, a crushed body loses height throughout.
"""

from dataclasses import dataclass

import numpy as np

from training.cohort.paint.grid import Floats
from training.cohort.people.findings import LevelFindings

BACK_OF_WEDGE = 0.12
"""Loss at the back wall of a wedge relative to its front."""

RIM_OF_BICONCAVE = 0.15
"""Loss at the rims of a biconcave body relative to its middle."""

UPPER_OF_CRUSH = 0.6
ROUGHNESS_MM = 0.3
KYPHOSIS_PASSED_ON = 0.6
"""Share of the wedge's angle by which the next vertebra above leans; the discs take the rest."""

KYPHOSIS_DECAY = 0.75
"""How much of it each further vertebra keeps: the column balances itself."""

NODE_RADIUS_MM = 4.0
DEEPEST_NODE = 0.4
"""Largest depth of a node, as a share of the height of its body."""

NODE_PLACE = (-0.12, 0.08)
"""Of the width and the depth, from the middle of the end plate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """What a deformed body means for the column above it.

    Parameters
    ----------
    upper_mm, lower_mm
        How much nearer the disc above and the disc below come to the middle of the body.
    kyphosis_rad
        Forward lean of the upper end plate.
    """

    upper_mm: float
    lower_mm: float
    kyphosis_rad: float


def support(found: LevelFindings, size_mm: tuple[float, float, float]) -> Support:
    """Heights that the neighbours lose to a fracture."""
    _, depth, height = size_mm
    lost = found.height_loss * height
    if found.fracture == "wedge":
        tilt = np.arctan(lost * (1 - BACK_OF_WEDGE) / depth)
        return Support(
            upper_mm=lost * (1 + BACK_OF_WEDGE) / 2, lower_mm=0.0, kyphosis_rad=float(tilt)
        )
    if found.fracture == "biconcave":
        rim = lost / 2 * RIM_OF_BICONCAVE
        return Support(upper_mm=rim, lower_mm=rim, kyphosis_rad=0.0)
    if found.fracture == "crush":
        return Support(
            upper_mm=lost * UPPER_OF_CRUSH,
            lower_mm=lost * (1 - UPPER_OF_CRUSH),
            kyphosis_rad=0.0,
        )
    return Support(upper_mm=0.0, lower_mm=0.0, kyphosis_rad=0.0)


def endplate_drops(
    found: LevelFindings,
    size_mm: tuple[float, float, float],
    half: Floats,
    left: Floats,
    posterior: Floats,
) -> tuple[Floats | float, Floats | float]:
    """How far the upper and the lower end plate lie inside their healthy places, mm.

    Parameters
    ----------
    half
        Half the healthy height at the place, mm: the stated loss is a share of it in front (0.4 of
        the depth before the middle), in the middle or throughout.
    """
    width, depth, height = size_mm
    upper: Floats | float = 0.0
    lower: Floats | float = 0.0
    lost = np.float32(2 * found.height_loss) * half
    if found.fracture == "wedge":
        front = np.clip((0.4 - posterior / np.float32(depth)) / np.float32(0.8), 0, 1)
        upper = lost * (BACK_OF_WEDGE + (1 - BACK_OF_WEDGE) * front)
    elif found.fracture == "biconcave":
        radius = (left / np.float32(width / 2)) ** 2 + (posterior / np.float32(depth / 2)) ** 2
        middle = RIM_OF_BICONCAVE + (1 - RIM_OF_BICONCAVE) * np.maximum(1 - radius, 0)
        upper = lower = lost / 2 * middle.astype(np.float32)
    elif found.fracture == "crush":
        upper = lost * np.float32(UPPER_OF_CRUSH)
        lower = lost * np.float32(1 - UPPER_OF_CRUSH)
    if found.fracture:
        waves = np.sin(left / np.float32(3.1) + 1) * np.sin(posterior / np.float32(3.7) + 2)
        upper = upper + np.float32(ROUGHNESS_MM) * waves
    if found.schmorl_mm:
        aside, behind = NODE_PLACE
        square = (left - np.float32(aside * width)) ** 2
        square = square + (posterior - np.float32(behind * depth)) ** 2
        pit = np.exp(-square / np.float32(2 * (NODE_RADIUS_MM * 0.75) ** 2))
        deepest = DEEPEST_NODE * height * (1 - found.height_loss)
        lower = lower + np.float32(min(found.schmorl_mm, deepest)) * pit
    return upper, lower


def bulge(found: LevelFindings) -> float:
    """Factor on the width and depth of a broken body."""
    return 1 + {"crush": 0.16, "biconcave": 0.05, "wedge": 0.07}.get(found.fracture, 0.0) * (
        found.height_loss
    )
