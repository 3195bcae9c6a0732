"""Another program's own inferences, metered: its windows and counts, told in this process or at a Unix socket."""
