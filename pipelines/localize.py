"""Find and name the vertebrae of a CT at 3 mm.

Takes  CtVolume
Gives  Localization
Next   pipelines.segment
"""

from dataclasses import dataclass

from pipelines.anatomy import Level


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedVertebra:
    """One vertebra, named.

    Parameters
    ----------
    centre_lps_mm
        Centre of the vertebral body in patient coordinates.
    up_lps
        Unit vector along the spine through this body, towards the head, in patient coordinates.
    complete
        Whether the whole vertebral body lies inside the scan.
    """

    level: Level
    centre_lps_mm: tuple[float, float, float]
    up_lps: tuple[float, float, float]
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Localization:
    """The vertebrae of one CT from the head down.

    Parameters
    ----------
    presumed
        Names rest on one anchor only, or the anchors disagree.
    """

    vertebrae: tuple[LocatedVertebra, ...]
    presumed: bool
