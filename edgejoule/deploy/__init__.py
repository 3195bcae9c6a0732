"""Boards and what runs on them: bundles, installation, waves, roll-back."""
