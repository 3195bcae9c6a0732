"""The configuration of grid intensities: ``[intensity]``."""
