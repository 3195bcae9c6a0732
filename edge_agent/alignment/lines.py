"""What a marker line is: a wire from this device to a digital input of the meter."""

from typing import Protocol


class MarkerLine(Protocol):
    """Drives one wire. Both levels are the wire's own: high is True.

    ``name``: what to call it in a message. ``is_simulated``: no wire, and so no figure of a real meter.
    ``settle_s``: how much later than ``set`` returns the wire may have its level.
    """

    name: str
    is_simulated: bool
    settle_s: float

    def set(self, level: bool) -> None:  # noqa: FBT001 a level
        """Drive the wire; it has the level when this returns. Raises MarkerLineError where it cannot be driven."""
        ...

    def close(self) -> None:
        """Let go of the wire. Safe to call twice."""
        ...


class MarkerLineError(Exception):
    """The line cannot be driven now; the text says which and why. Measuring goes on without it."""
