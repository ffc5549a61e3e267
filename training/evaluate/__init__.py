"""Measure localization, level names, outlines and density on real and virtual CTs."""
