"""edgejoule: joules per inference at the edge, measured at the plug, carried to a fleet's carbon account."""

__version__ = "0.1.0"
