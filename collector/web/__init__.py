"""What people read in a browser: the self-contained report."""
