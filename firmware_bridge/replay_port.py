"""A capture file as a port: ``capture:///path/file.ejcap[?speed=X]`` plays a meter's bytes as they came.

What the host writes goes nowhere. The host may only speak where it spoke in the recording, so that a decoder goes
through its handshake just as it did then, and gets the answers to the questions that were asked. The clock of such a
port is the recording's, moved so that it begins now and runs ``speed`` times as fast: bytes bear the times at which
they arrived when they were recorded, and the same joules come out at any speed.
"""

import math
import stat
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote

from firmware_bridge.capture_file import CaptureFrame, CaptureHeader, CaptureReader, is_capture, open_capture
from firmware_bridge.errors import ConfigurationError, RecordingEndedError
from firmware_bridge.port import Port, Waker, host_time_s

SCHEME: Final = "capture://"
MAX_SPEED: Final = 10_000.0
TURN_S: Final = 1e-6
"""Moved times are rounded: a decoder for which it is too early by the last bit is asked once more, this much later."""
_HEAD_BYTES: Final = 64


def is_capture_path(path: str) -> bool:
    """Tell whether this is a regular file that begins as a capture does; no device is touched."""
    try:
        place = Path(path)
        if not stat.S_ISREG(place.stat().st_mode):
            return False
        with place.open("rb") as file:
            return is_capture(file.read(_HEAD_BYTES))
    except (OSError, ValueError):
        return False


def parse_capture_url(url: str) -> tuple[Path, float]:
    """Return path and speed of a ``capture://`` URL, or of a plain path. Raises ConfigurationError with the form."""
    if not url.startswith(SCHEME):
        return Path(url), 1.0
    body, _, query = url.removeprefix(SCHEME).partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    speed = _speed(options.pop("speed", "1"))
    if not body or options or speed is None:
        raise ConfigurationError(
            f"{url}: a recording is {SCHEME}/PATH or {SCHEME}/PATH?speed=X, X above 0 and up to {MAX_SPEED:g}"
        )
    return Path(unquote(body)), speed


def recorded_header(url: str) -> CaptureHeader | None:
    """Return the header of the capture that a URL or path names; None where it names no readable one."""
    if not url.startswith(SCHEME) and ("://" in url or not is_capture_path(url)):
        return None
    try:
        with open_capture(parse_capture_url(url)[0]) as reader:
            return reader.header
    except ConfigurationError:
        return None


def _speed(text: str) -> float | None:
    try:
        speed = float(text)
    except ValueError:
        return None
    return speed if math.isfinite(speed) and 0.0 < speed <= MAX_SPEED else None


class ReplayPort(Port):
    """Plays a capture file. After its last byte ``read`` raises RecordingEndedError, also where the file was cut off.

    Raises ConfigurationError from the constructor where the file is no capture, from ``read`` where it is damaged.
    """

    def __init__(self, url: str, *, waker: Waker | None = None) -> None:
        path, self._speed = parse_capture_url(url)
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise ConfigurationError(f"{path}: cannot read it: {error.strerror}") from error
        try:
            reader = CaptureReader(self._file, str(path))
            self._frames = iter(reader)
            self._next = next(self._frames, None)
        except BaseException:
            self._file.close()
            raise
        super().__init__(url, device=str(path), waker=waker)
        self.recorded = reader.header
        self._began_s = host_time_s()
        self._recording_began_s = 0.0 if self._next is None else self._next.t_host_s
        self._stamp_s = self._began_s
        self._is_stamped = False
        self._has_spoken = True

    def read(self, timeout_s: float) -> bytes:
        """Return the bytes of the next read that is due; wait for it as long as it takes, up to ``timeout_s``."""
        if not self._has_spoken:
            return b""
        self._is_stamped = False
        frame = self._next
        if frame is None:
            raise RecordingEndedError(f"{self.url}: the recording is over")
        wait_s = (self._due_s(frame) - self._played_s()) / self._speed
        if wait_s > 0.0:
            self.pause(min(wait_s, timeout_s))
            if wait_s > timeout_s or self._due_s(frame) > self._played_s():
                return b""
        return self._take(frame) if frame.from_meter else b""

    def write(self, data: bytes) -> None:  # noqa: ARG002 it goes nowhere
        """Swallow it."""
        self._has_spoken = True

    def host_may_speak(self) -> bool:
        """Tell whether the host spoke here in the recording."""
        if not self._has_spoken:
            self._has_spoken = True
            self._stamp_s += TURN_S
            return True
        frame = self._next
        if frame is None or frame.from_meter or self._due_s(frame) > self._played_s():
            return False
        self._take(frame)
        self._has_spoken = False
        return True

    def time_s(self) -> float:
        """Return the recorded time of what was just read, else how far the recording has been played."""
        stamp_s, frame = self._stamp_s, self._next
        if self._is_stamped:
            return stamp_s
        played_s = self._played_s()
        return max(stamp_s, played_s if frame is None else min(played_s, self._due_s(frame)))

    def _take(self, frame: CaptureFrame) -> bytes:
        self._stamp_s = max(self._stamp_s, self._due_s(frame))
        self._is_stamped = True
        self._next = next(self._frames, None)
        return frame.data

    def _due_s(self, frame: CaptureFrame) -> float:
        return self._began_s + frame.t_host_s - self._recording_began_s

    def _played_s(self) -> float:
        return self._began_s + (host_time_s() - self._began_s) * self._speed

    def _release(self) -> None:
        self._file.close()
