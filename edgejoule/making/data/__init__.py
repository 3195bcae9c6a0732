"""Data that packages ship: one loader for each, which names the package where it is not installed."""
