"""Error of the statistics: a figure is not defined for a sample."""

from models.errors import OsteoNodeError


class UnusableSample(OsteoNodeError):
    """A statistic is not defined for this sample; ``found`` contains the reason."""
