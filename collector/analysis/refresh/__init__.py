"""When to replace a class of devices."""
