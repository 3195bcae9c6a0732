"""A board's own power sensors, one file each: a cross-check of the external meter, never the measurement."""
