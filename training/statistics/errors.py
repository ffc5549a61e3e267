"""Errors of the statistics: a sample for which a figure is not defined."""

from models.errors import OsteoNodeError


class UnusableSample(OsteoNodeError):
    """A statistic is not defined for this sample; ``found`` says why."""
