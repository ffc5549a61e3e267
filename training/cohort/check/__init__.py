"""The virtual cohort compared with published values."""
