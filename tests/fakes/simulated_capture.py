"""Write a capture of an emulated meter, to lie in tests/data/captures: ``python -m tests.fakes.simulated_capture``.

The file says ``"simulated": true`` in its header: it holds what our encoder says, and keeps later decoders to that.
"""

import argparse
import random
from pathlib import Path

from firmware_bridge.capture_file import CaptureFrame, CaptureHeader, CaptureWriter
from firmware_bridge.registry import get_driver
from tests.fakes.damage import BadLine
from tests.fakes.metered_talk import MeteredTalk, is_slow, quiet_options

MOST_BYTES = 16_000


def write_simulated(name: str, path: Path) -> None:
    """Record a handshake and some samples of a load that steps once."""
    driver = get_driver(name)
    talk = MeteredTalk(driver, BadLine((), 0.0, random.Random(1)), 1.3)
    talk.start()
    for _ in range(60 if is_slow(driver.data_sheet) else 20):
        talk.tick()
    options = quiet_options(driver)
    with path.open("wb") as file:
        writer = CaptureWriter(file, CaptureHeader(name, options, "emulated in a test", 0, simulated=True))
        for one in talk.talk.said:
            writer.write(CaptureFrame(one.t_host_s, one.from_meter, one.data))
    if path.stat().st_size > MOST_BYTES:
        raise SystemExit(f"{path}: more than {MOST_BYTES} bytes")


def main() -> None:
    """Read DRIVER and FILE from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("driver")
    parser.add_argument("file", type=Path)
    words = parser.parse_args()
    write_simulated(words.driver, words.file)


if __name__ == "__main__":
    main()
