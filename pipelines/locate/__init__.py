"""Locate the bones of a scan, and name its vertebrae."""
