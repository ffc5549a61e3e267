"""Measure speed, where possible beside another program in the same run. Not part of the tests."""
