"""Coordinates of patient and voxels, and morphology of masks. Imports nothing of the other rooms."""
