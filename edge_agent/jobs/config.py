"""``[[job]]`` of the agent's configuration: work that comes again by itself and waits for the greenest hour."""

from collections.abc import Collection, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.orders import RunBatch, RunBench
from edge_agent.wire.records import Identifier

JobName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,23}\Z")]
Period = Annotated[float, Meta(ge=60.0, le=366 * 86_400.0)]


class JobConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[job]]``: once in each stretch of ``every_s`` (they begin at 1970-01-01 UTC), at its greenest.

    ``deadline_s``: done so long after the stretch began; 0 for its end. ``duration_s``: how long it takes, about.
    ``energy_j``: what it takes, about; 0 where the meter shall say. ``folder``: of action = "batch", a name of
    [remote] batch_folders.
    """

    name: JobName
    action: Literal["bench", "batch"]
    every_s: Period
    deadline_s: Annotated[float, Meta(ge=0.0, le=366 * 86_400.0)] = 0.0
    duration_s: Annotated[float, Meta(gt=0.0, le=366 * 86_400.0)]
    energy_j: Annotated[float, Meta(ge=0.0)] = 0.0
    folder: Identifier | None = None

    def __post_init__(self) -> None:
        if (self.action == "batch") != (self.folder is not None):
            raise ValueError('folder is for action = "batch", which needs it: name one of [remote] batch_folders')
        if self.deadline_s > self.every_s:
            raise ValueError("deadline_s is later than every_s: the next one would begin before this one is done")
        if self.duration_s > (self.deadline_s or self.every_s):
            raise ValueError("duration_s is longer than the time until the deadline: give it more time")

    @property
    def what(self) -> RunBench | RunBatch:
        """Return the work as an order would say it."""
        return RunBench() if self.folder is None else RunBatch(folder=self.folder)


def check_jobs(jobs: Sequence[JobConfig], batch_folders: Collection[str]) -> None:
    """Raise ConfigurationError for two jobs of one name, or a folder that the device does not name."""
    names = [job.name for job in jobs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigurationError(f"[[job]] name {twice!r} stands twice: give each job its own")
    for job in jobs:
        if job.folder is not None and job.folder not in batch_folders:
            known = ", ".join(sorted(batch_folders)) or "none"
            raise ConfigurationError(
                f"[[job]] {job.name}: no folder {job.folder!r} in [remote] batch_folders (there: {known}); "
                "name it there"
            )
