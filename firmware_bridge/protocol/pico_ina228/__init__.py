"""The open meter of ``firmware/``: its frames, and the constants and times that give them meaning."""
