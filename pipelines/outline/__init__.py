"""Outline masks of vertebral bodies, of their trabecular cores, and of the proximal femora."""
