"""A sweep: many benches, one after the other, each in a process of its own; what is there is not benched again."""
