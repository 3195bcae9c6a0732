"""Programs for who works on edgejoule, and what they share."""
