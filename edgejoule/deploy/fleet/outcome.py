"""What became of one board."""

from typing import Final, Literal

import msgspec

from edgejoule.deploy.fleet.problems import Problem

Status = Literal[
    "unchanged", "installed", "upgraded", "configured", "enrolled", "restarted",
    "rolled-back", "failed", "blocked", "unreachable", "not-begun", "left",
]  # fmt: skip
CHANGED: Final = ("installed", "upgraded", "configured", "enrolled", "restarted")
FAILED: Final = ("rolled-back", "failed", "blocked", "unreachable", "left")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """``was`` and ``now``: releases; ``wave`` counts from 1, 0 for none. ``problem``: where it did not go well.

    ``left``: its installer ran when the roll-out was broken off, and goes on by itself.
    """

    device: str
    site: str
    status: Status
    wave: int = 0
    was: str | None = None
    now: str | None = None
    why: tuple[str, ...] = ()
    seconds: float = 0.0
    problem: Problem | None = None

    @property
    def changed(self) -> bool:
        """Tell whether the board is another one than before."""
        return self.status in CHANGED

    @property
    def failed(self) -> bool:
        """Tell whether somebody has to look at it."""
        return self.status in FAILED


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """All boards of a roll-out. ``stopped``: why it ended early, "" where it did not."""

    boards: tuple[Outcome, ...]
    changed: int
    unchanged: int
    failed: int
    not_begun: int
    stopped: str = ""


def summary_of(boards: tuple[Outcome, ...], stopped: str) -> Summary:
    """Count them."""
    return Summary(
        boards=boards,
        changed=sum(board.changed for board in boards),
        unchanged=sum(board.status == "unchanged" for board in boards),
        failed=sum(board.failed for board in boards),
        not_begun=sum(board.status == "not-begun" for board in boards),
        stopped=stopped,
    )
