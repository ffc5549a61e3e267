"""Voxel grids, signed distances, rasters and random fields."""
