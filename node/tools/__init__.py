"""Commands for people: demo, self-test, calibration, offline processing, settings."""
