"""``edgejoule meter decode``: a recorded file, raw bytes or hexadecimal text into samples and joules."""

import argparse
import contextlib
from pathlib import Path

from edgejoule.commands.meter.common import options_of
from edgejoule.commands.meter.recorded import report
from edgejoule.output import stderr_console
from firmware_bridge.errors import ConfigurationError, FirmwareBridgeError
from firmware_bridge.recording import (
    DEFAULT_SESSION_MV,
    SessionRecording,
    open_recording,
    open_source,
    why_no_samples,
)
from firmware_bridge.registry import get_driver
from firmware_bridge.samples_file import SamplesFile
from firmware_bridge.tally import Tally


def run(arguments: argparse.Namespace) -> int:
    """Decode the whole file."""
    driver = get_driver(arguments.driver)
    options = options_of(arguments)
    driver.make_decoder(options)
    if arguments.samples is not None and arguments.samples.resolve() == Path(arguments.file).resolve():
        raise ConfigurationError(f"{arguments.samples}: would be overwritten with its own samples; name another file")
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(open_source(arguments.file))
        recording = open_recording(
            driver,
            source,
            options=options,
            as_hex=arguments.hex,
            interval_s=arguments.interval_s,
            any_driver=arguments.any_driver,
        )
        tally = Tally(recording.driver, limit_w=arguments.limit_w)
        out = None if arguments.samples is None else stack.enter_context(SamplesFile(arguments.samples))
        for t_host_s, events in recording.play():
            for block in tally.take(events, t_host_s):
                if out is not None:
                    out.write(block)
        summary = tally.summary(recording.last_fields())
        why = None if summary.samples else why_no_samples(recording, source, summary.complaint, summary.frame_errors)
    if isinstance(recording, SessionRecording) and "voltage_mv" not in options:
        stderr_console().print(
            f"note: the file says no voltage, {DEFAULT_SESSION_MV / 1e3:g} V are taken; "
            "give the supply's with --option voltage_mv=3300",
            markup=False,
            soft_wrap=True,
        )
    code = report(recording, summary, as_json=arguments.json)
    if why is not None:
        raise FirmwareBridgeError(why)
    return code
