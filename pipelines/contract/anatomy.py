"""Names and numbers of the vertebrae, and the sides of the patient.

The numbers are those of the VerSe data set (8 = T1 ... 19 = T12, 20 = L1 ... 24 = L5), the most
widely used convention for vertebra label maps; they are also the segment values of every label
map in this project. The codes of each level are in ``pipelines.reporting.codes``.
"""

from enum import IntEnum, StrEnum
from typing import Final


class Level(IntEnum):
    """A vertebra, or the sacrum, by its VerSe label."""

    T1 = 8
    T2 = 9
    T3 = 10
    T4 = 11
    T5 = 12
    T6 = 13
    T7 = 14
    T8 = 15
    T9 = 16
    T10 = 17
    T11 = 18
    T12 = 19
    L1 = 20
    L2 = 21
    L3 = 22
    L4 = 23
    L5 = 24
    SACRUM = 26

    @property
    def is_lumbar(self) -> bool:
        """Whether the vertebra is one of L1 to L5."""
        return Level.L1 <= self <= Level.L5


class Side(StrEnum):
    """Side of the patient."""

    LEFT = "left"
    RIGHT = "right"


MEASURED_LEVELS: Final = (Level.L1, Level.L2, Level.L3, Level.L4)
"""Levels whose trabecular density is reported (study 1; ISCD: L1 to L4)."""
