"""What changed between two periods, models, releases or fleets, as effects that sum to the change."""
