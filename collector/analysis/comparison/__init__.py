"""Edge against cloud: a scenario is read, resolved into figures, drawn in many worlds, and answered."""
