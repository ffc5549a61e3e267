"""Anatomy of a virtual patient as painted volumes: organs, skeleton, pathology."""
