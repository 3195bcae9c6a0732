"""Fetches files by their hash from a collector, a chunk at a time, and goes on where it was cut off. No I/O but files.

A collector is asked again after a silence, with growing pauses. What arrives is added to a part on disk, and becomes a
file only if its hash is the one that was ordered.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from edge_agent.delivery import BackOff
from edge_agent.remote.model_files import ModelFiles
from edge_agent.wire.orders import BlobChunk

FIRST_SILENCE_S: Final = 5.0
LONGEST_SILENCE_S: Final = 60.0
UNCONNECTED_S: Final = 1.0
"""So soon is looked again whether there is a connection: a question that was not sent has not been met by silence."""
MAX_DENIALS: Final = 5
"""So many answers in a row say that there is no such file; another collector may have it, or have it later."""
DENIED_PAUSE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to fetch. ``what``: its name in messages."""

    sha256: str
    size_bytes: int
    suffix: str
    what: str


class FetchError(Exception):
    """The files cannot be had; the text is one line for the operator."""


class Fetch:
    """See the module's text. For one thread; times are of a monotonic clock.

    ``ask``: sends a request for bytes of a file from an offset on; returns whether there is a connection.
    """

    def __init__(
        self,
        files: ModelFiles,
        wanted: Sequence[Wanted],
        ask: Callable[[str, int], bool],
        *,
        now_s: float,
        limit_s: float,
        keep: Sequence[str] = (),
    ) -> None:
        """Begin. ``keep``: hashes of files that stay, whatever is fetched. Raises FetchError, OSError."""
        self._files, self._ask = files, ask
        self._until_s, self._limit_s = now_s + limit_s, limit_s
        self._left: deque[Wanted] = deque()
        files.keep_only({*keep, *(one.sha256 for one in wanted)})
        self._left = deque(one for one in wanted if not files.is_whole(one.sha256, one.suffix))
        self._total_bytes = sum(one.size_bytes for one in wanted) or 1
        self._begun = {one.sha256: self._offset(one) for one in self._left}
        missing = files.room_missing(sum(one.size_bytes - self._begun[one.sha256] for one in self._left))
        if missing:
            raise FetchError(f"its disk has no room: free {missing} bytes in {files.directory}")
        self._pauses = BackOff(FIRST_SILENCE_S, LONGEST_SILENCE_S)
        self._denials = 0
        self._ask_at_s = now_s
        self._at = self._begun.copy()

    @property
    def done(self) -> bool:
        """Return whether every file is there."""
        return not self._left

    @property
    def progress_ratio(self) -> float:
        """Return how much of the bytes is there."""
        missing = sum(one.size_bytes - self._at[one.sha256] for one in self._left)
        return max(0.0, 1.0 - missing / self._total_bytes)

    def wait_s(self, now_s: float) -> float:
        """Return for how long there is nothing to do unless a chunk comes."""
        return max(0.0, min(self._ask_at_s, self._until_s) - now_s)

    def tend(self, now_s: float) -> None:
        """Ask if it is time. Raises FetchError when the time is over, OSError for the disk."""
        if self.done:
            return
        if now_s >= self._until_s:
            raise FetchError(
                f"{self._left[0].what} did not come within {self._limit_s:g} s ([remote] max_fetch_s); what has come "
                "is kept: order it again, and see that a collector has it ([orders] blob_dir)"
            )
        if now_s >= self._ask_at_s:
            self._ask_for_more(now_s)

    def take(self, chunk: BlobChunk, now_s: float) -> None:
        """Take a chunk if it is the next one. Raises FetchError for one that cannot be, OSError for the disk."""
        if self.done or chunk.sha256 != self._left[0].sha256:
            return
        wanted = self._left[0]
        if chunk.total_bytes == 0 and not chunk.data:
            self._note_denial(wanted, now_s)
            return
        if chunk.total_bytes != wanted.size_bytes:
            raise FetchError(
                f"{wanted.what}: the collector has {chunk.total_bytes} bytes under its hash, but {wanted.size_bytes} "
                "were ordered"
            )
        offset = self._at[wanted.sha256]
        if chunk.offset != offset or not chunk.data or offset + len(chunk.data) > wanted.size_bytes:
            return
        self._files.append(wanted.sha256, chunk.data)
        self._at[wanted.sha256] = offset + len(chunk.data)
        self._denials = 0
        self._pauses.reset()
        if self._at[wanted.sha256] == wanted.size_bytes:
            self._finish(wanted)
        self._ask_for_more(now_s)

    def _ask_for_more(self, now_s: float) -> None:
        if self.done:
            return
        wanted = self._left[0]
        if self._at[wanted.sha256] == wanted.size_bytes:  # the part was whole when the agent was cut off
            self._finish(wanted)
            self._ask_for_more(now_s)
            return
        was_sent = self._ask(wanted.sha256, self._at[wanted.sha256])
        self._ask_at_s = now_s + (self._pauses.next_s() if was_sent else UNCONNECTED_S)

    def _finish(self, wanted: Wanted) -> None:
        found = self._files.finish(wanted.sha256, wanted.suffix)
        if found != wanted.sha256:
            raise FetchError(
                f"{wanted.what}: what came has sha256 {found}, but {wanted.sha256} was ordered; it was thrown away, "
                "and nothing has changed"
            )
        self._left.popleft()

    def _note_denial(self, wanted: Wanted, now_s: float) -> None:
        self._denials += 1
        if self._denials >= MAX_DENIALS:
            raise FetchError(
                f"{wanted.what}: no collector has the file with sha256 {wanted.sha256}; publish it (edgejoule order "
                "publish), and order it again"
            )
        self._ask_at_s = now_s + DENIED_PAUSE_S

    def _offset(self, wanted: Wanted) -> int:
        """Return where to go on; a part that is longer than the file is none of it."""
        held = self._files.part_bytes(wanted.sha256)
        if held <= wanted.size_bytes:
            return held
        self._files.forget_part(wanted.sha256)
        return 0
