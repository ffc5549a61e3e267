"""Where the results of a job go.

Takes  Settings
Gives  names of destinations
Next   node.jobs.collect
"""

from node.config import Settings


def destinations_for(settings: Settings) -> tuple[str, ...]:
    """Names of the destinations: all that are configured."""
    return tuple(destination.name for destination in settings.destinations)


def radiomics_destinations(settings: Settings) -> tuple[str, ...]:
    """Names of the destinations that want the report of radiomic features too."""
    return tuple(destination.name for destination in settings.destinations if destination.radiomics)
