"""Deform the end plates of a vertebral body by a fracture or a Schmorl node.

Source: Genant et al. 1993 (wedge, biconcave and crush by the anterior, middle and posterior
height). A wedge keeps its back wall; a crushed body loses height throughout.
"""

from dataclasses import dataclass

import numpy as np

from training.cohort.paint.grid import Floats
from training.cohort.people.findings import LevelFindings

BACK_OF_WEDGE = 0.12
"""Loss at the back wall of a wedge, relative to the loss at its front."""

RIM_OF_BICONCAVE = 0.15
"""Loss at the rims of a biconcave body, relative to the loss in its middle."""

UPPER_OF_CRUSH = 0.6
ROUGHNESS_MM = 0.3
KYPHOSIS_PASSED_ON = 0.6
"""Share of the wedge angle that tilts the next vertebra above; the discs absorb the rest."""

KYPHOSIS_DECAY = 0.75
"""Share of the tilt that each further vertebra keeps; the spine compensates the rest."""

NODE_RADIUS_MM = 4.0
DEEPEST_NODE = 0.4
"""Maximum depth of a node as a share of the height of its body."""

NODE_PLACE = (-0.12, 0.08)
"""Position of a node as shares of width and depth, from the middle of the end plate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """Effect of a deformed body on the spine above it.

    Parameters
    ----------
    upper_mm, lower_mm
        Distance by which the discs above and below move towards the middle of the body.
    kyphosis_rad
        Forward lean of the upper end plate.
    """

    upper_mm: float
    lower_mm: float
    kyphosis_rad: float


def support(found: LevelFindings, size_mm: tuple[float, float, float]) -> Support:
    """Return the heights lost at a fracture, and the tilt of the spine above."""
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
    """Distance of the upper and the lower end plate inside their healthy positions, mm.

    Parameters
    ----------
    half
        Half the healthy height at the place, mm. The stated loss is a share of it: in front (0.4 of
        the depth anterior to the middle), in the middle or throughout.
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
    """Factor on the width and depth of a fractured body."""
    return 1 + {"crush": 0.16, "biconcave": 0.05, "wedge": 0.07}.get(found.fracture, 0.0) * (
        found.height_loss
    )
