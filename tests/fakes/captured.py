"""A recording decoded and added up, as ``edgejoule meter decode`` does it."""

from pathlib import Path

from firmware_bridge.driver import MeterDriver
from firmware_bridge.recording import Recording, open_recording, open_source
from firmware_bridge.tally import Summary, Tally


def summarise(driver: MeterDriver, path: Path) -> tuple[Summary, Recording]:
    """Play a file to its end; the recording then knows how many bytes it held."""
    with open_source(str(path)) as source:
        recording = open_recording(driver, source)
        tally = Tally(recording.driver)
        for t_host_s, events in recording.play():
            tally.take(events, t_host_s)
        return tally.summary(recording.last_fields()), recording
