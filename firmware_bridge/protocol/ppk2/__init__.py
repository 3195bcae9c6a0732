"""Power Profiler Kit II: its words, its constants, its spike filter, and the emulated device."""
