"""Yokogawa WT310 and WT310E: its numbers and ranges, and the emulated instrument."""
