"""A meter without the hardware: its real byte protocol on a pseudo-terminal, and the true energy beside it."""

import logging
import os
import select
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

import numpy as np

from firmware_bridge.driver import DataSheet, MeterDriver, Options
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.loads import LoadSource
from firmware_bridge.stream import host_time_s

LOG = logging.getLogger(__name__)

TICK_S: Final = 0.02
POLLED_SAMPLE_S: Final = 1e-3
"""A polled meter measures at its own pace; its encoder is fed at this one."""
BACKLOG_BYTES: Final = 65_536
"""What a driver holds for a host that is slow to read; beyond it samples are lost, as they are on a real port."""
MAX_STEP_S: Final = 0.5
"""After a longer stall of the emulator only the last part is sent: no meter stores more."""
CLOCK_LIMIT_RATIO: Final = 20e-6
"""Limit of an ordinary crystal's frequency error."""
TRUTH_HEADER: Final = "t_unix_ns,energy_true_j\n"


@dataclass(frozen=True, slots=True)
class InstrumentError:
    """One unit's constant errors: gain and offset of each current range, of voltage, and its clock's rate."""

    gain_ratio: tuple[float, ...]
    offset_a: tuple[float, ...]
    voltage_gain_ratio: float
    voltage_offset_v: float
    clock_ratio: float


def draw_instrument_error(sheet: DataSheet, seed: int, gain_error_ratio: float | None = None) -> InstrumentError:
    """Draw a unit from the data sheet's limits, read as rectangular; ``gain_error_ratio`` overrides current gain."""
    rng = np.random.default_rng(seed)
    gains = tuple(float(rng.uniform(-1.0, 1.0) * one.gain_limit_ratio) for one in sheet.ranges)
    offsets = tuple(float(rng.uniform(-1.0, 1.0) * one.offset_limit_a) for one in sheet.ranges)
    return InstrumentError(
        gain_ratio=gains if gain_error_ratio is None else (gain_error_ratio,) * len(sheet.ranges),
        offset_a=offsets,
        voltage_gain_ratio=float(rng.uniform(-1.0, 1.0) * sheet.voltage_gain_limit_ratio),
        voltage_offset_v=float(rng.uniform(-1.0, 1.0) * sheet.voltage_offset_limit_v),
        clock_ratio=float(rng.uniform(-1.0, 1.0) * CLOCK_LIMIT_RATIO),
    )


@dataclass(frozen=True, slots=True)
class EmulatorSettings:
    """One emulated unit and its supply.

    ``noise_w``: standard deviation of what the load draws on top, from tick to tick; it is in the truth.
    ``seed`` decides noise and the unit's errors; ``gain_error_ratio`` overrides the drawn gain of current.
    ``truth``: a CSV file for the true energy at each tick.
    """

    voltage_v: float = 5.0
    noise_w: float = 0.0
    seed: int = 0
    gain_error_ratio: float | None = None
    options: Options = field(default_factory=dict)
    truth: Path | None = None


class MeterEmulator:
    """Serves one driver's encoder on a pseudo-terminal behind the symbolic link ``link``.

    ``run`` serves in the calling thread; as a context manager it serves in one of its own. Hosts may come and go.
    """

    def __init__(
        self,
        driver: MeterDriver,
        link: Path,
        load: LoadSource,
        settings: EmulatorSettings | None = None,
    ) -> None:
        self.driver = driver
        self.link = link
        self._settings = settings = settings or EmulatorSettings()
        self.error = draw_instrument_error(driver.data_sheet, settings.seed, settings.gain_error_ratio)
        self._load = load
        self._rng = np.random.default_rng([settings.seed, 1])
        self._encoder = driver.make_encoder(settings.options, settings.seed)
        polled = driver.data_sheet.clock == "host_arrival"
        self._sample_s = POLLED_SAMPLE_S if polled else driver.data_sheet.sample_interval_s
        self._pending = bytearray()
        self._began_s = self._now_s = 0.0
        self._sample_number = 0
        self._energy_true_j = 0.0
        self.dropped_bytes = 0
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._failure: Exception | None = None
        self._thread: threading.Thread | None = None

    @property
    def energy_true_j(self) -> float:
        """Return the energy that the load has drawn since the emulation began."""
        return self._energy_true_j

    def run(self, stop: threading.Event) -> None:
        """Serve until ``stop`` is set. Raises ConfigurationError for a link or truth file that cannot be made."""
        with self._terminal() as master, self._truth_file() as truth:
            self._began_s = self._now_s = host_time_s()
            self._tell(truth)
            self._ready.set()
            self._serve(master, truth, stop)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run_in_thread, name=f"emulator {self.link}", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self.__exit__(None, None, None)
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run_in_thread(self) -> None:
        try:
            self.run(self._stop)
        except (ConfigurationError, OSError) as error:
            self._failure = error
        finally:
            self._ready.set()

    def _serve(self, master: int, truth: TextIO | None, stop: threading.Event) -> None:
        poll = select.poll()
        next_tick_s = self._now_s + TICK_S
        while not stop.is_set():
            poll.register(master, select.POLLIN | (select.POLLOUT if self._pending else 0))
            events = dict(poll.poll(max(next_tick_s - host_time_s(), 0.0) * 1e3))
            now_s = host_time_s()
            if events.get(master, 0) & select.POLLIN:
                self._answer(os.read(master, 4096), now_s)
            if now_s >= next_tick_s:
                self._advance(now_s)
                next_tick_s = max(next_tick_s + TICK_S, now_s)
                self._tell(truth)
            self._flush(master)

    def _tell(self, truth: TextIO | None) -> None:
        if truth is not None:
            truth.write(f"{time.time_ns()},{self._energy_true_j:.9f}\n")
            truth.flush()

    def _answer(self, data: bytes, now_s: float) -> None:
        self._advance(now_s)
        self._pending += self._encoder.receive(data, self._device_s(now_s))

    def _advance(self, now_s: float) -> None:
        """Draw the load up to ``now_s`` and let the meter measure it."""
        load = self._load.step(self._now_s - self._began_s, now_s - self._began_s)
        noise_w = float(self._rng.normal(0.0, self._settings.noise_w)) if self._settings.noise_w else 0.0
        power_w = max(load.power_w + noise_w, 0.0)
        self._energy_true_j += power_w * (now_s - self._now_s)
        self._now_s = now_s
        first, last = self._sample_number, int(self._device_s(now_s) / self._sample_s)
        first = max(first, last - int(MAX_STEP_S / self._sample_s))
        if last <= first:
            return
        self._sample_number = last
        voltage_v, current_a = self._measure(power_w, load.voltage_v or self._settings.voltage_v)
        count = last - first
        data = self._encoder.emit(
            np.arange(first + 1, last + 1, dtype=np.float64) * self._sample_s,
            np.full(count, voltage_v),
            np.full(count, current_a),
        )
        self._enqueue(data, count)

    def _measure(self, power_w: float, voltage_v: float) -> tuple[float, float]:
        """Return what this unit reads, with its constant errors in it."""
        current_a = power_w / voltage_v
        limits_a = [one.max_current_a for one in self.driver.data_sheet.ranges]
        index = next((i for i, limit_a in enumerate(limits_a) if current_a <= limit_a), len(limits_a) - 1)
        return (
            voltage_v * (1.0 + self.error.voltage_gain_ratio) + self.error.voltage_offset_v,
            current_a * (1.0 + self.error.gain_ratio[index]) + self.error.offset_a[index],
        )

    def _device_s(self, now_s: float) -> float:
        return (now_s - self._began_s) * (1.0 + self.error.clock_ratio)

    def _enqueue(self, data: bytes, count: int) -> None:
        """Queue what the port can still hold, whole samples only; the rest is lost."""
        frame_bytes = max(len(data) // count, 1)
        room = max(BACKLOG_BYTES - len(self._pending), 0) // frame_bytes * frame_bytes
        self.dropped_bytes += max(len(data) - room, 0)
        self._pending += data[:room]

    def _flush(self, master: int) -> None:
        while self._pending:
            try:
                del self._pending[: os.write(master, self._pending)]
            except BlockingIOError:
                return

    @contextmanager
    def _terminal(self) -> Iterator[int]:
        """Open a pseudo-terminal in raw mode and link to it. Its slave stays open here, so hosts may leave."""
        master, slave = os.openpty()
        try:
            tty.setraw(slave)
            os.set_blocking(master, False)
            target = os.ttyname(slave)
            _link(self.link, target)
            try:
                yield master
            finally:
                if self.link.is_symlink() and str(self.link.readlink()) == target:
                    self.link.unlink()
        finally:
            os.close(slave)
            os.close(master)

    @contextmanager
    def _truth_file(self) -> Iterator[TextIO | None]:
        path = self._settings.truth
        if path is None:
            yield None
            return
        try:
            file = path.open("w", encoding="ascii")
        except OSError as error:
            raise ConfigurationError(f"{path}: cannot write the truth file: {error.strerror}") from error
        with file:
            file.write(TRUTH_HEADER)
            yield file


def _link(link: Path, target: str) -> None:
    """Make ``link`` point to ``target``, in place of an older link."""
    if link.exists() and not link.is_symlink():
        raise ConfigurationError(f"{link}: exists and is not a symbolic link; name another path for the port")
    fresh = link.with_name(f"{link.name}.{os.getpid()}")
    try:
        fresh.symlink_to(target)
        fresh.replace(link)
    except OSError as error:
        raise ConfigurationError(f"{link}: cannot make the link to the port: {error.strerror}") from error
