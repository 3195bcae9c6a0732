"""What recipes are made of: networks, training, quantising, measuring, and what all of it cost. Needs [train]."""
