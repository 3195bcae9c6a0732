"""What runs on a board before anything is installed there: standard library only, in the words of Python 3.8."""
