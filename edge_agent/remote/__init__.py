"""Orders to this device: heard, judged, carried out, answered."""
