"""Work that may wait for a greener hour: what is known of the grid, which start is best, and what waits."""
