"""Studies: grids of attacks and methods, and their tables."""
