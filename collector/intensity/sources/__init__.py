"""Sources of time-resolved grid intensity, one file each."""
