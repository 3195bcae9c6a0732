"""Where the two threads meet: orders that need the meter and the model go to the measuring one, reports come back."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from edge_agent.remote.settings import Settings
from edge_agent.wire.orders import Action

ResultValue = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Task:
    """Work for the measuring thread. ``settings``: of a change, how things shall be from now on; else None."""

    command_id: str
    action: Action
    settings: Settings | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """How a task ended. ``reason``: one line, "" where there is nothing to say."""

    command_id: str
    stage: Literal["done", "failed", "rolled_back"]
    reason: str = ""
    result: dict[str, ResultValue] = field(default_factory=dict)


class Desk:
    """Thread-safe. ``wanted`` is asked at every step of the measurement, so it is one look."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: deque[Task] = deque()
        self._reports: deque[Report] = deque()
        self.on_report: Callable[[], None] = lambda: None

    @property
    def wanted(self) -> bool:
        """Return whether there is a task."""
        return bool(self._tasks)

    @property
    def first(self) -> Task | None:
        """Return the next task, which stays."""
        with self._lock:
            return self._tasks[0] if self._tasks else None

    def offer(self, task: Task) -> None:
        """Ask for a task to be done."""
        self._tasks.append(task)

    def take(self) -> Task | None:
        """Return the next task, None for none."""
        with self._lock:
            return self._tasks.popleft() if self._tasks else None

    def report(self, report: Report) -> None:
        """Say how a task ended."""
        with self._lock:
            self._reports.append(report)
        self.on_report()

    def reports(self) -> list[Report]:
        """Return the reports that came since the last call."""
        with self._lock:
            found = list(self._reports)
            self._reports.clear()
        return found
