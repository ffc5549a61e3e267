"""Draw the virtual patients as rows of numbers: population, findings, densitometry."""
