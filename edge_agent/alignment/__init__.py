"""Ties the meter's time to the host's: marker lines, marks on command, and the agent's own load as a signal."""
