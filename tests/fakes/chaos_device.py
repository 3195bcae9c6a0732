"""A device as a process: the real outbox on disk and the real publisher, with windows whose sum is known.

It is told what to do on stdin, a word or a few on a line, and answers each line with one line of JSON on stdout:

``make COUNT RATE_HZ``: make so many more windows, RATE_HZ 0 for as fast as it can; ``halt``: make no more;
``state``: only say how it is. The end of stdin ends the process, so it never outlives its test.
"""

import argparse
import sqlite3
import sys
import threading
import time
from pathlib import Path

import msgspec
import structlog

from edge_agent.outbox import Outbox
from edge_agent.publisher import Publisher
from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.records import InferenceWindow
from tests.fakes.chaos_truth import (
    BootTruth,
    energy_j,
    inference_count,
    outbox_path,
    read_boots,
    t_start_unix_ns,
    write_boots,
)
from tests.fakes.delivery import make_birth
from tests.fakes.windows import FLEET, T0_UNIX_NS, make_window

RESEND_S = 0.5
RETRY_S = 0.02


class DeviceState(msgspec.Struct, frozen=True):
    """``to_make``: windows that it was told to make and has not yet. ``refused``: appends that failed so far."""

    to_make: int
    last_seq: int
    held: int
    dropped: int
    refused: int
    connected: bool


class ChaosDevice:
    """Makes windows in a thread of its own, as the agent's recorder does: what the disk refuses is tried again."""

    def __init__(self, options: argparse.Namespace) -> None:
        directory, self._device_id = options.dir, options.device
        self._boot_number: int = options.boot
        self._jumping: bool = options.jumping
        boots = read_boots(directory, self._device_id)
        self.outbox = Outbox(
            outbox_path(directory, self._device_id),
            f"kernel-{options.boot}",
            max_bytes=options.max_bytes,
            now_unix_ns=lambda: T0_UNIX_NS,
        )
        boots.setdefault(self.outbox.boot_id, BootTruth(options.boot, 0))
        write_boots(directory, self._device_id, boots)
        self.publisher = Publisher(
            BrokerSettings(url=options.broker, protocol=options.protocol),
            FLEET,
            self._device_id,
            self.outbox,
            lambda: make_birth(self._device_id, self.outbox.boot_id, self._held_boots()),
            resend_s=RESEND_S,
        )
        self._changed = threading.Condition()
        self._to_make = self._refused = 0
        self._rate_hz = 0.0
        self._ending = False
        self._thread = threading.Thread(target=self._make_for_ever, name="maker", daemon=True)

    def _held_boots(self) -> tuple[str, ...]:
        return tuple(backlog.boot_id for backlog in self.outbox.backlogs())

    def run(self) -> None:
        self._thread.start()
        self.publisher.start()
        for line in sys.stdin:
            self._obey(line.split())
            sys.stdout.write(msgspec.json.encode(self.state()).decode() + "\n")
            sys.stdout.flush()
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        self._thread.join()
        self.publisher.stop()
        self.outbox.close()

    def _obey(self, words: list[str]) -> None:
        with self._changed:
            if words[0] == "make":
                self._to_make += int(words[1])
                self._rate_hz = float(words[2])
            elif words[0] == "halt":
                self._to_make = 0
            self._changed.notify_all()

    def state(self) -> DeviceState:
        with self._changed:
            to_make, refused = self._to_make, self._refused
        stats = self.outbox.stats()
        return DeviceState(
            to_make, stats.last_seq, stats.windows, stats.dropped_windows, refused, self.publisher.connected
        )

    def _make_for_ever(self) -> None:
        while self._wait_for_work():
            made = self._make_one()
            with self._changed:
                self._to_make = max(0, self._to_make - made)
                self._refused += not made
            if not made:
                time.sleep(RETRY_S)
            elif self._rate_hz:
                time.sleep(1.0 / self._rate_hz)

    def _wait_for_work(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._to_make or self._ending)
            return not self._ending

    def _make_one(self) -> bool:
        try:
            self.outbox.append(self._window)
        except sqlite3.OperationalError:
            return False
        self.publisher.notify()
        return True

    def _window(self, seq: int) -> InferenceWindow:
        key = (self._device_id, self._boot_number, seq)
        return make_window(
            seq,
            t_start_unix_ns=t_start_unix_ns(self._boot_number, seq, jumping=self._jumping),
            energy_j=energy_j(*key),
            inference_count=inference_count(*key),
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--broker", required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--boot", type=int, required=True)
    parser.add_argument("--protocol", choices=["5", "3.1.1"], default="5")
    parser.add_argument("--max-bytes", type=int, default=256 * 1024 * 1024)
    parser.add_argument("--jumping", action="store_true")
    options = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # stdout is for answers
    ChaosDevice(options).run()


if __name__ == "__main__":
    main()
