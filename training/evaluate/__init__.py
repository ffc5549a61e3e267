"""Measurements of localization, names, outlines and density on real and virtual CTs."""
