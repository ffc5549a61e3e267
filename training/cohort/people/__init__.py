"""Who the virtual patients are: population, findings, densitometry, as rows of numbers."""
