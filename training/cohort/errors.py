"""Errors of the virtual cohort: configurations that cannot be simulated or written."""

from models.errors import OsteoNodeError


class CohortError(OsteoNodeError):
    """A simulated examination cannot be made."""


class BadCohortConfig(CohortError):
    """A field of the configuration has a value that cannot be simulated; ``found`` names it."""


class UnsuitableImage(CohortError):
    """An image cannot be written as an axial CT series without changing it."""
