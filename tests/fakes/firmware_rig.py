"""Runs the open meter's firmware in the real MicroPython interpreter, on a board simulated at register level."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from firmware_bridge.drivers.pico_ina228 import DRIVER
from firmware_bridge.protocol import cobs
from firmware_bridge.protocol.pico_ina228.format import TextFrame, parse, state_of
from firmware_bridge.samples import F64
from tests.fakes.meter_talk import Decoded

REPOSITORY = Path(__file__).parents[2]
FIRMWARE = REPOSITORY / "firmware_bridge" / "firmware"
RIG = REPOSITORY / "tests" / "micropython"
STEP_A = 78.125e-9 / 0.005
START = [[1000, "command", "identify"], [2000, "command", "start"]]
MICROPYTHON = [sys.executable, "-m", "micropython_unix"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the meter wrote, and the simulated chip's conversions as rows: us, shunt, bus, marker, ENERGY."""

    data: bytes
    truth: F64
    ended: bool
    registers: list[int]

    def decoded(self) -> Decoded:
        """What a listener makes of it, read in pieces of a USB packet."""
        decoder = DRIVER.make_decoder({})
        decoded = Decoded()
        for at in range(0, len(self.data), 64):
            decoded.events += decoder.feed(self.data[at : at + 64], 100.0 + at * 1e-5)
        decoded.check_blocks()
        return decoded

    def texts(self, kind: int) -> list[str]:
        payloads = cobs.CobsStream(512).feed(self.data)
        frames = [parse(payload) for payload in payloads if state_of(payload) == "good"]
        return [frame.text for frame in frames if isinstance(frame, TextFrame) and frame.kind == kind]

    def rows_of(self, decoded: Decoded) -> F64:
        """The true conversion behind each decoded sample, found by its time since the first one."""
        t_us = np.rint(decoded.column("t_device_s") * 1e6)
        first = int(np.flatnonzero(self.truth[:, 1] == np.rint(decoded.column("current_a")[0] / STEP_A))[0])
        behind = np.searchsorted(self.truth[:, 0], self.truth[first, 0] + t_us - t_us[0] - 1)
        found: F64 = self.truth[behind]
        return found


def run(
    folder: Path, until_us: int = 1_000_000, events: list[list[object]] | None = None, **scenario: object
) -> Outcome:
    (folder / "scenario.json").write_text(
        json.dumps({"until_us": until_us, "events": START if events is None else events, **scenario})
    )
    outcome = subprocess.run(
        [*MICROPYTHON, str(RIG / "rig.py"), str(FIRMWARE), "scenario.json", "."],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not outcome.stderr + outcome.stdout, outcome.stderr + outcome.stdout  # its exit status says nothing
    truth = json.loads((folder / "truth.json").read_text())
    rows = np.array(truth["conversions"], dtype=np.float64).reshape(-1, 5)
    return Outcome((folder / "frames.bin").read_bytes(), rows, truth["ended"], truth["registers"])
