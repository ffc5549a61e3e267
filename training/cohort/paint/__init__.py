"""Paint shapes on voxel grids: grids, signed distances, raster and random fields."""
