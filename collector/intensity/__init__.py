"""Sources of grid carbon intensity, one file each."""
