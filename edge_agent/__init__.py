"""The application on the device: runs inference, meters it, keeps every window until the collector has stored it."""
