"""The catalogue of models: read and written, verified, trained again, described, and extended by a user's own."""
