"""What the collector does beside its main work, each in a thread of its own."""

import threading
from abc import ABC, abstractmethod


class Background(ABC):
    """Work in a thread until it is told to stop. ``name``: of the thread."""

    def __init__(self, name: str) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)

    @abstractmethod
    def _run(self) -> None:
        """Work until ``_stopping`` is set."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Tell it to end; return at once."""
        self._stopping.set()

    def close(self) -> None:
        """Tell it to end, and return when it has."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def alive(self) -> bool:
        """Return whether the thread runs."""
        return self._thread.is_alive()
