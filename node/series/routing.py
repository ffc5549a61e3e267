"""Choose the destinations of the results of a job.

Takes  Settings
Gives  names of destinations
Next   node.jobs.collect
"""

from node.config import Settings


def destinations_for(settings: Settings) -> tuple[str, ...]:
    """Names of all configured destinations."""
    return tuple(destination.name for destination in settings.destinations)


def radiomics_destinations(settings: Settings) -> tuple[str, ...]:
    """Names of the destinations that also receive the report of radiomic features."""
    return tuple(destination.name for destination in settings.destinations if destination.radiomics)
