"""Command line of the virtual cohort: ``python -m training.cohort``."""
