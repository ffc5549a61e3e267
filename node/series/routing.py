"""Pipelines of a series, and destinations of its results.

Takes  Selection
Gives  pipelines and destinations
Next   node.jobs.dispatch
"""

from node.config import Settings
from node.series.selection import Selection


def pipelines_for(selection: Selection) -> tuple[str, ...]:
    """Names of the pipelines; every selection goes to the lumbar one in this version."""
    del selection
    return ("lumbar",)


def destinations_for(settings: Settings) -> tuple[str, ...]:
    """Names of all configured destinations."""
    return tuple(destination.name for destination in settings.destinations)


def radiomics_destinations(settings: Settings) -> tuple[str, ...]:
    """Names of the destinations that also receive the report of radiomic features."""
    return tuple(destination.name for destination in settings.destinations if destination.radiomics)
