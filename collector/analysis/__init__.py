"""Comparisons over what was stored: edge against cloud, and what follows."""
