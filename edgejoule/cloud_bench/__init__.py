"""A model on a server: joules per inference by batch size."""
