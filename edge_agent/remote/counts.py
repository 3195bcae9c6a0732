"""How many commands were done and refused since the agent began, as its health says."""

import threading
from collections import Counter

from edge_agent.wire.orders import RefusalKind


class OrderCounts:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refused: Counter[str] = Counter()
        self._done = 0

    def refused(self, kind: RefusalKind) -> None:
        """Count a refusal."""
        with self._lock:
            self._refused[kind] += 1

    def done(self) -> None:
        """Count a command that was carried out."""
        with self._lock:
            self._done += 1

    @property
    def commands_done(self) -> int:
        """Return how many were carried out."""
        return self._done

    @property
    def commands_refused(self) -> dict[str, int]:
        """Return how many were refused, by kind."""
        with self._lock:
            return dict(self._refused)
