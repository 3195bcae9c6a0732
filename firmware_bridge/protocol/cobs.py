"""Consistent overhead byte stuffing: frames without a zero byte, between zero bytes.

Source: S. Cheshire, M. Baker, Consistent Overhead Byte Stuffing, IEEE/ACM Trans. Networking 7 (1999) 159.
"""

_LONGEST_RUN = 254


def encode(payload: bytes) -> bytes:
    """Return the payload without zero bytes and without delimiters; longer by one byte, and one more in each 254."""
    out = bytearray()
    runs = payload.split(b"\0")
    for index, run in enumerate(runs):
        rest = run
        while len(rest) >= _LONGEST_RUN:
            out.append(_LONGEST_RUN + 1)
            out += rest[:_LONGEST_RUN]
            rest = rest[_LONGEST_RUN:]
        ends_on_full_run = not rest and run and index == len(runs) - 1
        if not ends_on_full_run:
            out.append(len(rest) + 1)
            out += rest
    return bytes(out)


def decode(stuffed: bytes) -> bytes:
    """Return the payload of what stood between two zero bytes; raise ValueError where it cannot be that."""
    out = bytearray()
    at, size = 0, len(stuffed)
    while at < size:
        code = stuffed[at]
        end = at + code
        if code == 0 or end > size:
            raise ValueError("a run is longer than its frame")
        out += stuffed[at + 1 : end]
        if code <= _LONGEST_RUN and end < size:
            out.append(0)
        at = end
    return bytes(out)


class CobsStream:
    """Cuts a stream at zero bytes, in any chunking; holds at most ``limit_bytes`` of an unfinished frame.

    A frame has a zero byte before and after it, so two follow each other between frames. Zero bytes beyond that, and
    whatever cannot be a frame, are counted as skipped.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._part = b""
        self._too_long = False
        self._empty = 0
        self._skipped_bytes = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Return the payloads that these bytes complete."""
        *pieces, rest = data.split(b"\0")
        payloads: list[bytes] = []
        for piece in pieces:
            self._take(piece)
            if self._too_long:
                self._skipped_bytes += 1
            else:
                self._finish(payloads)
            self._part, self._too_long = b"", False
        self._take(rest)
        return payloads

    def skip(self, count: int) -> None:
        """Count bytes of a payload that turned out to be no frame."""
        self._skipped_bytes += count

    def take_skipped_bytes(self) -> int:
        """Return how many bytes were skipped since the last call."""
        skipped, self._skipped_bytes = self._skipped_bytes, 0
        return skipped

    def _take(self, piece: bytes) -> None:
        if self._too_long:
            self._skipped_bytes += len(piece)
        elif len(self._part) + len(piece) > self._limit_bytes:
            self._skipped_bytes += len(self._part) + len(piece)
            self._part, self._too_long = b"", True
        else:
            self._part += piece

    def _finish(self, payloads: list[bytes]) -> None:
        if not self._part:
            self._empty += 1
            self._skipped_bytes += self._empty > 1
            return
        self._empty = 0
        try:
            payloads.append(decode(self._part))
        except ValueError:
            self._skipped_bytes += len(self._part) + 1
