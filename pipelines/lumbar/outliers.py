"""Find levels whose attenuation differs too much from that of the other levels.

Takes  LevelMeasurement
Gives  Level
Next   pipelines.lumbar.measure
"""

from collections.abc import Mapping
from statistics import median
from typing import Final

from pipelines.contract.anatomy import Level

RELATIVE_LIMIT: Final = 0.25
"""Of the median of the other levels."""
SMALLEST_LIMIT_HU: Final = 30.0
"""Levels of one healthy spine scatter by about 7 HU; 30 HU also covers noise and small errors of
the border where the attenuation is low and 25 % of it would be within that scatter."""
LARGEST_LIMIT_HU: Final = 63.0
"""1.5 standard deviations (42 HU) of L1 attenuation in the population."""


def outlying_levels(attenuation_hu: Mapping[Level, float]) -> tuple[Level, ...]:
    """Levels to exclude from the mean, the most distant first.

    The most distant level is excluded first; the others are compared again without it. With two
    levels neither can be identified as the outlier; see `levels_disagree`.
    """
    left = dict(attenuation_hu)
    out: list[Level] = []
    while len(left) >= 3:
        excess = {level: _excess(left, level) for level in left}
        worst = max(excess, key=lambda level: excess[level])
        if excess[worst] <= 0:
            break
        out.append(worst)
        del left[worst]
    return tuple(out)


def levels_disagree(attenuation_hu: Mapping[Level, float]) -> bool:
    """Whether any level is farther from the median of the others than the limit."""
    return len(attenuation_hu) >= 2 and any(
        _excess(attenuation_hu, level) > 0 for level in attenuation_hu
    )


def _excess(attenuation_hu: Mapping[Level, float], level: Level) -> float:
    others = median(hu for other, hu in attenuation_hu.items() if other != level)
    limit = min(max(RELATIVE_LIMIT * abs(others), SMALLEST_LIMIT_HU), LARGEST_LIMIT_HU)
    return abs(attenuation_hu[level] - others) - limit
