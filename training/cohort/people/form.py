"""Shape parameters of a skeleton: differences between people of the same size.

The default is the form of the tables. A family is a range for every number. A network trained on
``common`` and ``slender`` has had no ``stout`` patient in its data (docs/domain.md 3.7: hold out
by generator parameter, not only by seed).
"""

from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Final

import numpy as np

from training.cohort.errors import BadCohortConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Numbers that shape a skeleton; factors are relative to the tables.

    Parameters
    ----------
    body_exponent
        Exponent of the superellipse of a body: 2 is an ellipse, a larger one is squarer.
    waist
        Relative decrease in width at the middle of a body.
    concavity_mm
        Depth of the end plates.
    hollow_mm
        Depth of the back wall.
    body_depth, body_height, disc
        Factors on sizes.
    canal, pedicle, facet, transverse, spinous
        Factors on the canal, the thickness of pedicles and articular processes, and the length of
        transverse and spinous processes.
    spinous_drop
        Factor on the downward slope of a spinous process.
    kyphosis
        Factor on the curve of the thoracic spine.
    ccd_deg, anteversion_deg
        Angles of the femoral neck.
    neck_length, shaft
        Factors on the femoral neck and on the thickness of the shaft.
    """

    body_exponent: float = 2.4
    waist: float = 0.08
    concavity_mm: float = 1.6
    hollow_mm: float = 1.5
    body_depth: float = 1.0
    body_height: float = 1.0
    disc: float = 1.0
    canal: float = 1.0
    pedicle: float = 1.0
    facet: float = 1.0
    transverse: float = 1.0
    spinous: float = 1.0
    spinous_drop: float = 1.0
    kyphosis: float = 1.0
    ccd_deg: float = 127.0
    anteversion_deg: float = 12.0
    neck_length: float = 1.0
    shaft: float = 1.0

    def __post_init__(self) -> None:
        for name, (low, high) in POSSIBLE.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise BadCohortConfig(f"form.{name} = {value:g}", f"{low:g} to {high:g}")


POSSIBLE: Final = MappingProxyType(
    {
        "body_exponent": (2.0, 3.6),
        "waist": (0.0, 0.18),
        "concavity_mm": (0.3, 3.5),
        "hollow_mm": (0.0, 3.0),
        "body_depth": (0.85, 1.15),
        "body_height": (0.85, 1.15),
        "disc": (0.6, 1.4),
        "canal": (0.8, 1.25),
        "pedicle": (0.7, 1.35),
        "facet": (0.75, 1.35),
        "transverse": (0.65, 1.35),
        "spinous": (0.7, 1.3),
        "spinous_drop": (0.3, 1.8),
        "kyphosis": (0.5, 1.3),
        "ccd_deg": (115.0, 140.0),
        "anteversion_deg": (-5.0, 30.0),
        "neck_length": (0.85, 1.15),
        "shaft": (0.85, 1.15),
    }
)
"""Range of every number that can be painted."""

FAMILIES: Final = MappingProxyType(
    {
        "common": {
            "body_exponent": (2.25, 2.6), "waist": (0.05, 0.11), "concavity_mm": (1.1, 2.2),
            "hollow_mm": (0.9, 2.1), "body_depth": (0.95, 1.05), "body_height": (0.96, 1.04),
            "disc": (0.88, 1.12), "canal": (0.93, 1.08), "pedicle": (0.88, 1.12),
            "facet": (0.9, 1.12), "transverse": (0.85, 1.15), "spinous": (0.88, 1.12),
            "spinous_drop": (0.7, 1.35), "kyphosis": (0.8, 1.15), "ccd_deg": (122.0, 132.0),
            "anteversion_deg": (5.0, 19.0), "neck_length": (0.95, 1.05), "shaft": (0.94, 1.06),
        },
        "slender": {
            "body_exponent": (2.05, 2.3), "waist": (0.09, 0.15), "concavity_mm": (1.8, 2.8),
            "hollow_mm": (1.4, 2.6), "body_depth": (0.9, 1.0), "body_height": (1.0, 1.08),
            "disc": (0.95, 1.25), "canal": (1.0, 1.15), "pedicle": (0.75, 0.95),
            "facet": (0.8, 1.0), "transverse": (0.95, 1.25), "spinous": (0.95, 1.2),
            "spinous_drop": (0.9, 1.6), "kyphosis": (0.7, 1.05), "ccd_deg": (127.0, 137.0),
            "anteversion_deg": (8.0, 24.0), "neck_length": (1.0, 1.1), "shaft": (0.88, 0.98),
        },
        "stout": {
            "body_exponent": (2.6, 3.2), "waist": (0.02, 0.06), "concavity_mm": (0.5, 1.3),
            "hollow_mm": (0.2, 1.2), "body_depth": (1.0, 1.1), "body_height": (0.92, 1.0),
            "disc": (0.75, 1.0), "canal": (0.85, 1.0), "pedicle": (1.05, 1.3),
            "facet": (1.05, 1.3), "transverse": (0.7, 0.95), "spinous": (0.75, 1.0),
            "spinous_drop": (0.4, 0.9), "kyphosis": (0.95, 1.25), "ccd_deg": (118.0, 127.0),
            "anteversion_deg": (0.0, 14.0), "neck_length": (0.9, 1.0), "shaft": (1.02, 1.12),
        },
    }
)  # fmt: skip
"""Lowest and highest value of every number; ``stout`` overlaps the others in no ``body_exponent``."""
TRAINING_FAMILIES: Final = ("common", "slender")
HELD_OUT_FAMILY: Final = "stout"
"""Family of test sets; no model except those of study 1 is trained on it."""


def draw_form(seed: int, family: str = "common") -> Form:
    """Draw a form of a family, each number uniform between its limits.

    Raises
    ------
    BadCohortConfig
        No family has that name.
    """
    if family not in FAMILIES:
        raise BadCohortConfig(f"family = {family!r}", "one of " + ", ".join(FAMILIES))
    rng = np.random.default_rng([seed, *f"form {family}".encode()])
    limits = FAMILIES[family]
    shares = rng.random(len(fields(Form)))
    return Form(
        **{
            item.name: round(float(np.interp(share, (0, 1), limits[item.name])), 4)
            for item, share in zip(fields(Form), shares, strict=True)
        }
    )
