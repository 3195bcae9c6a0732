"""Stores that the journal feeds, one file each, each with its own cursor."""
