"""A fleet that is none: devices that speak the real wire without a meter and without a model. See docs."""
