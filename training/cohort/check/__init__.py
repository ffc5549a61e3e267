"""Compare the virtual cohort with published values."""
