"""``edgejoule meter replay``: a recorded file through the live display, as if it happened now."""

import argparse
import threading
import time
from typing import Final

from edgejoule.commands.meter.common import options_of, stop_on_signal
from edgejoule.commands.meter.live import REFRESH_S, LiveDisplay, Now
from edgejoule.commands.meter.recorded import report
from firmware_bridge.capture_file import CaptureReader, is_capture
from firmware_bridge.errors import ConfigurationError, FirmwareBridgeError
from firmware_bridge.recording import CaptureRecording, Recording, open_source, why_no_samples
from firmware_bridge.registry import get_driver
from firmware_bridge.tally import Tally, limits_j

QUIET_S: Final = 2.0
"""After so long without a sample the display says that nothing comes."""


def run(arguments: argparse.Namespace) -> int:
    """Play the file through to its end, or until somebody stops it; the figures are those of 'decode'."""
    with open_source(arguments.file) as source, stop_on_signal() as stop:
        if not is_capture(source.head()):
            raise ConfigurationError(
                f"{source.name}: not a capture file, so it has no times to play; turn raw bytes into samples with "
                "'edgejoule meter decode'"
            )
        reader = CaptureReader(source.file, source.name)
        recording = CaptureRecording(get_driver(reader.header.driver), reader, options_of(arguments))
        tally = Tally(recording.driver, limit_w=arguments.limit_w)
        with LiveDisplay(recording.driver.title, simulated=bool(reader.header.simulated)) as live:
            _Player(recording, tally, live, stop, None if arguments.fast else arguments.speed).play()
        summary = tally.summary(recording.last_fields())
        why = None if summary.samples else why_no_samples(recording, source, summary.complaint, summary.frame_errors)
    code = report(recording, summary, as_json=arguments.json, stopped=stop.is_set())
    if why is not None:
        raise FirmwareBridgeError(why)
    return code


class _Player:
    """Plays a recording at ``speed`` times its own pace, None for as fast as it goes."""

    def __init__(
        self, recording: Recording, tally: Tally, live: LiveDisplay, stop: threading.Event, speed: float | None
    ) -> None:
        self._recording, self._tally, self._live = recording, tally, live
        self._stop, self._speed = stop, speed
        self._shown_s = time.monotonic()
        self._sampled_s = 0.0

    def play(self) -> None:
        """Play."""
        began_s, first_s = time.monotonic(), None
        for t_host_s, events in self._recording.play():
            first_s = t_host_s if first_s is None else first_s
            if self._speed is not None:
                self._wait_until(began_s + (t_host_s - first_s) / self._speed, t_host_s)
            if self._stop.is_set():
                return
            if self._tally.take(events, t_host_s):
                self._sampled_s = t_host_s
            self._show(t_host_s)

    def _wait_until(self, due_s: float, t_host_s: float) -> None:
        while (left_s := due_s - time.monotonic()) > 0.0 and not self._stop.is_set():
            self._stop.wait(min(left_s, REFRESH_S))
            self._show(t_host_s - max(due_s - time.monotonic(), 0.0) * (self._speed or 1.0))

    def _show(self, t_host_s: float) -> None:
        """Show how it stood at ``t_host_s`` of the recording, a few times a second."""
        now_s = time.monotonic()
        if now_s - self._shown_s < REFRESH_S:
            return
        self._shown_s = now_s
        tally = self._tally
        quiet_s = max(QUIET_S, self._recording.driver.data_sheet.max_interval_s)
        self._live.show(
            Now(
                block=tally.last_block if t_host_s - self._sampled_s <= quiet_s else None,
                total=tally.total(),
                reading=tally.latest(),
                limits_j=limits_j(tally.total(), self._recording.driver.data_sheet),
                frame_errors=dict(tally.frame_errors),
                identity=tally.identity,
                sync=tally.sync(),
                clock=tally.clock(),
            )
        )
