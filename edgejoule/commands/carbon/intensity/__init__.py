"""The verbs of ``edgejoule carbon intensity``."""
