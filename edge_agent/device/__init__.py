"""What the device's kernel says about the device. Every figure is None where it is not known."""
