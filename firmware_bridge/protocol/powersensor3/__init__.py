"""PowerSensor3: its frames, its configuration, and the emulated device."""
