"""Which boards go first: waves, by size or by name. Pure."""

import re
from collections.abc import Sequence
from typing import Final

from edge_agent.wire.errors import ConfigurationError

Size = int | str
_COUNT: Final = re.compile(r"[0-9]{1,6}\Z")
_PERCENT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%\Z")


def waves_of(boards: Sequence[str], sizes: Sequence[Size], canaries: Sequence[str] = ()) -> list[tuple[str, ...]]:
    """Return the boards in waves: first ``canaries``, then as ``sizes`` say, and the rest as the last.

    A share ("10%") is of all ``boards``, rounded up. Raises ConfigurationError for what is no size.
    """
    counts = [_count(size, len(boards)) for size in sizes]
    first = tuple(board for board in boards if board in canaries)
    left = [board for board in boards if board not in canaries]
    waves = [first] if first else []
    for count in counts:
        if left:
            waves.append(tuple(left[:count]))
            left = left[count:]
    return [*waves, tuple(left)] if left else waves


def equal_waves(boards: Sequence[str], size: Size) -> list[tuple[str, ...]]:
    """Return the boards in waves of one size. Raises ConfigurationError."""
    count = _count(size, len(boards))
    return [tuple(boards[begin : begin + count]) for begin in range(0, len(boards), count)]


def _count(size: Size, total: int) -> int:
    """Return how many boards a size is; at least one, so that every wave gets on."""
    if isinstance(size, str) and _COUNT.match(size):
        size = int(size)
    if isinstance(size, int):
        if size < 1:
            raise ConfigurationError(f"a wave of {size} boards: write 1 or more, or a share such as 10%")
        return size
    found = _PERCENT.match(size)
    if found is None or not 0.0 < float(found[1]) <= 100.0:
        raise ConfigurationError(f"a wave of {size!r}: write a number of boards, or a share such as 10%")
    # Whole numbers, for 0.07 x 100 is 7.000000000000001.
    share = round(float(found[1]) * 1000)
    return max(1, -(-total * share // 100_000))
