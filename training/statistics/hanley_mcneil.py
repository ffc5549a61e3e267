"""Interval of a published area under the ROC curve from the two group sizes alone.

Source: Hanley and McNeil, Radiology 1982;143:29.
"""

import math

from training.statistics.delong import AREA_BOUNDS
from training.statistics.errors import UnusableSample
from training.statistics.estimate import LEVEL, Estimate, wald


def hanley_mcneil(area: float, positives: int, negatives: int, *, level: float = LEVEL) -> Estimate:
    """Return standard error and interval under the exponential model of the authors.

    Raises
    ------
    UnusableSample
        The area is outside 0 to 1, or a group is empty.
    """
    if not 0 <= area <= 1 or min(positives, negatives) < 1:
        raise UnusableSample(
            f"area {area:g} of {positives} and {negatives} cases", "0 to 1, both groups filled"
        )
    both_above = area / (2 - area)
    both_below = 2 * area**2 / (1 + area)
    variance = (
        area * (1 - area)
        + (positives - 1) * (both_above - area**2)
        + (negatives - 1) * (both_below - area**2)
    ) / (positives * negatives)
    return wald(area, math.sqrt(variance), positives + negatives, level=level, bounds=AREA_BOUNDS)
