"""Draws the wiring pictures of docs/wiring.md from figures.toml: ``python -m docs.wiring_figures``."""
