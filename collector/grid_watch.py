"""Keeps the store of grid intensities up to date while the collector runs."""
