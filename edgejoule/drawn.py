"""What a terminal draws over while work goes on; elsewhere nothing is drawn, and lines are printed instead."""

from types import TracebackType
from typing import Protocol, Self


class Drawing(Protocol):
    """A ``Live`` or a ``Progress`` of rich."""

    def start(self) -> None:
        """Begin to draw."""

    def stop(self) -> None:
        """Leave the terminal as it shall stay."""


class Drawn:
    """Base of what shows progress: a context manager that draws inside the block, if there is something to draw on."""

    def __init__(self, drawing: Drawing | None) -> None:
        self._drawing = drawing

    def __enter__(self) -> Self:
        if self._drawing is not None:
            self._drawing.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawing is not None:
            self._drawing.stop()
