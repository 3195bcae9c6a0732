"""What the measurement needs of the work: a step at a time, and the windows that it is cut into."""

from dataclasses import dataclass
from typing import Protocol

from edge_agent.recorder import OnJoined
from edge_agent.window import WindowCounts
from edge_agent.window_series import Burst


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model by id and by the hash of its file."""

    model_id: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Cut:
    """A window that ended. ``model``: where it is not the configured one. ``on_joined``: see ``WindowRecorder``."""

    counts: WindowCounts
    model: ModelName | None = None
    on_joined: OnJoined | None = None


class Work(Protocol):
    """The work under measurement, in consecutive windows without holes. ``step`` and ``cuts`` come from one thread.

    ``ended``: nothing more will come. ``inference_cpu_s``: what inference has spent on the processor so far, None
    where that cannot be told from the rest of this process.
    """

    @property
    def ended(self) -> bool:
        """See the class."""
        ...

    @property
    def inference_cpu_s(self) -> float | None:
        """See the class."""
        ...

    def step(self) -> None:
        """Work or wait, about 0.1 s at most and not much beyond the open window's end.

        Raises ConfigurationError or InferenceError where there is no going on.
        """
        ...

    def cuts(self) -> list[Cut]:
        """Return the windows that ended since the last call, in order."""
        ...

    def last_cuts(self) -> list[Cut]:
        """Close the open window, and return it with those before it. Nothing is counted after it."""
        ...

    def close(self) -> None:
        """Say what is to be said at the end."""
        ...


class Workload(Protocol):
    """Runs the agent's own inferences."""

    @property
    def ended(self) -> bool:
        """Return whether there will be no more inputs."""
        ...

    def step(self, until_s: float) -> Burst | None:
        """Run inferences or wait, not much beyond host time ``until_s``; return what was run, None for nothing.

        Raises ConfigurationError or InferenceError where there is no going on; what ran before it was returned.
        """
        ...

    def close(self) -> None:
        """Say what is to be said at the end."""
        ...
