"""X-NUCLEO-LPM01A: its stream in both formats, its options, and the emulated board."""
