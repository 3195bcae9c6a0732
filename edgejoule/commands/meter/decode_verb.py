"""``edgejoule meter decode``: a recorded file, raw bytes or hexadecimal text into samples and joules."""

import argparse
import contextlib

from edgejoule.commands.meter.common import options_of
from edgejoule.commands.meter.recorded import report
from firmware_bridge.errors import FirmwareBridgeError
from firmware_bridge.recording import head_of, open_file, open_recording, why_no_samples
from firmware_bridge.registry import get_driver
from firmware_bridge.samples_file import SamplesFile
from firmware_bridge.tally import Tally


def run(arguments: argparse.Namespace) -> int:
    """Decode the whole file."""
    driver = get_driver(arguments.driver)
    options = options_of(arguments)
    driver.make_decoder(options)
    tally = Tally(driver, limit_w=arguments.limit_w)
    with contextlib.ExitStack() as stack:
        file, name = stack.enter_context(open_file(arguments.file))
        recording = open_recording(
            driver,
            file,
            name,
            options=options,
            as_hex=arguments.hex,
            interval_s=arguments.interval_s,
            any_driver=arguments.any_driver,
        )
        out = None if arguments.samples is None else stack.enter_context(SamplesFile(arguments.samples))
        for t_host_s, events in recording.play():
            for block in tally.take(events, t_host_s):
                if out is not None:
                    out.write(block)
        summary = tally.summary(recording.last_fields())
        why = None if summary.samples else why_no_samples(recording, name, summary.complaint, head_of(file, name))
    code = report(recording, summary, as_json=arguments.json)
    if why is not None:
        raise FirmwareBridgeError(why)
    return code
