"""What goes wrong with a model that was loaded. Imports nothing, so that whoever only reports it stays quick."""


class InferenceError(Exception):
    """A loaded model failed on an input, or the device that a delegate drives is gone. The text says what to do."""
