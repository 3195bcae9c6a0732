"""A meter without the hardware: its real byte protocol on a pseudo-terminal, and the true energy beside it."""

import math
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

import numpy as np

from firmware_bridge.driver import DataSheet, MeterDriver, Options
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.faults import FaultCounts, Faults, FaultyLine
from firmware_bridge.loads import Load, LoadCurve, LoadSource, SteppedLoad
from firmware_bridge.marker_wire import MarkerWire
from firmware_bridge.samples import F64, U8
from firmware_bridge.stream import host_time_s
from firmware_bridge.terminal import PseudoTerminal

TICK_S: Final = 0.02
POLLED_SAMPLE_S: Final = 1e-3
"""A polled meter, or a slow stream, measures at its own pace; its encoder is fed at this one."""
BACKLOG_BYTES: Final = 65_536
"""What a driver holds for a host that is slow to read; beyond it samples are lost, as they are on a real port."""
MAX_STEP_S: Final = 0.5
"""After a longer stall of the emulator only the last part is sent: no meter stores more."""
CLOCK_LIMIT_RATIO: Final = 20e-6
"""Limit of an ordinary crystal's frequency error."""
TRUTH_HEADER: Final = "t_unix_ns,energy_true_j\n"


@dataclass(frozen=True, slots=True)
class InstrumentError:
    """One unit's constant errors: gain and offset of each current range, of voltage, and its clock's rate.

    ``power_gain_ratio``, ``power_offset_w`` (by range): where the data sheet gives limits for power itself; the
    errors of current are then not used. None where it does not.
    """

    gain_ratio: tuple[float, ...]
    offset_a: tuple[float, ...]
    voltage_gain_ratio: float
    voltage_offset_v: float
    clock_ratio: float
    power_gain_ratio: float | None = None
    power_offset_w: tuple[float, ...] = ()


def draw_instrument_error(sheet: DataSheet, seed: int, gain_error_ratio: float | None = None) -> InstrumentError:
    """Draw a unit from the data sheet's distributions; ``gain_error_ratio`` overrides current gain.

    Where the sheet gives limits for power itself, it overrides the gain of power.
    """
    rng = np.random.default_rng(seed)
    draw_gain = rng.standard_normal if sheet.gain_distribution == "normal" else partial(rng.uniform, -1.0, 1.0)
    gains = tuple(float(draw_gain() * one.gain_limit_ratio) for one in sheet.ranges)
    offsets = tuple(float(rng.uniform(-1.0, 1.0) * one.offset_limit_a) for one in sheet.ranges)
    voltage_gain, voltage_offset, clock = (float(rng.uniform(-1.0, 1.0)) for _ in range(3))
    power_gain: float | None = None
    power_offsets: tuple[float, ...] = ()
    if sheet.power_gain_limit_ratio is not None:
        power_gain = float(draw_gain() * sheet.power_gain_limit_ratio)
        power_gain = power_gain if gain_error_ratio is None else gain_error_ratio
        power_offsets = tuple(float(rng.uniform(-1.0, 1.0) * one.power_offset_limit_w) for one in sheet.ranges)
    return InstrumentError(
        gain_ratio=gains if gain_error_ratio is None else (gain_error_ratio,) * len(sheet.ranges),
        offset_a=offsets,
        voltage_gain_ratio=voltage_gain * sheet.voltage_gain_limit_ratio,
        voltage_offset_v=voltage_offset * sheet.voltage_offset_limit_v,
        clock_ratio=clock * CLOCK_LIMIT_RATIO,
        power_gain_ratio=power_gain,
        power_offset_w=power_offsets,
    )


@dataclass(frozen=True, slots=True)
class EmulatorSettings:
    """One emulated unit, its supply and its line.

    ``voltage_v``: where the load does not say its own; None for the one that the meter is made for.
    ``noise_w``: standard deviation of what the load draws on top, from tick to tick; it is in the truth.
    ``seed`` decides noise, faults and the unit's errors; ``gain_error_ratio`` overrides the drawn gain.
    ``truth``: a CSV file for the true energy at each tick. ``marker_socket``: a Unix socket that drives the marker
    inputs (firmware_bridge.marker_wire), beside what the load says of them.
    """

    voltage_v: float | None = None
    noise_w: float = 0.0
    seed: int = 0
    gain_error_ratio: float | None = None
    options: Options = field(default_factory=dict)
    truth: Path | None = None
    faults: Faults = field(default_factory=Faults)
    marker_socket: Path | None = None


class MeterEmulator:
    """Serves one driver's encoder on a pseudo-terminal behind the symbolic link ``link``, if there is to be one.

    ``run`` serves in the calling thread; as a context manager it serves in one of its own. Hosts may come and go.
    ``on_port``: called with the terminal's path whenever there is a new one; ``port`` is the latest.
    """

    def __init__(
        self,
        driver: MeterDriver,
        link: Path | None,
        load: LoadSource,
        settings: EmulatorSettings | None = None,
        *,
        on_port: Callable[[str], None] | None = None,
    ) -> None:
        self._settings = settings = settings or EmulatorSettings()
        self.driver = driver = driver.for_options(settings.options)
        self.link = link
        self.port = ""
        self.error = draw_instrument_error(driver.data_sheet, settings.seed, settings.gain_error_ratio)
        self._on_port = on_port
        self._load = load
        self._curve = LoadCurve(settings.voltage_v or driver.data_sheet.nominal_voltage_v)
        self._rng = np.random.default_rng([settings.seed, 1])
        self._encoder = driver.make_encoder(settings.options, settings.seed)
        self._polled = driver.data_sheet.clock == "host_arrival"
        self._sample_s = POLLED_SAMPLE_S if self._polled else min(driver.data_sheet.sample_interval_s, POLLED_SAMPLE_S)
        self._wire = self._make_wire()
        self._line = FaultyLine(settings.faults, self._sample_s, settings.seed)
        drift_ratio = settings.faults.drift_ratio
        self._clock_rate = 1.0 + (self.error.clock_ratio if drift_ratio is None else drift_ratio)
        self._planned = _plan(settings.faults)
        self._pending = bytearray()
        self._began_s = self._now_s = self._device_began_s = 0.0
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

    @property
    def seconds(self) -> float:
        """Return how long the load has been drawing."""
        return self._now_s - self._began_s

    @property
    def fault_counts(self) -> FaultCounts:
        """Return what was done to the line so far."""
        return self._line.counts

    def run(self, stop: threading.Event, seconds: float = math.inf) -> None:
        """Serve until ``stop`` is set or for so long; the truth then ends with that time.

        Raises ConfigurationError for a link, socket or truth file that cannot be made.
        """
        with self._wire or nullcontext(), PseudoTerminal(self.link) as terminal, self._truth_file() as truth:
            self._announce(terminal)
            self._began_s = self._now_s = self._device_began_s = host_time_s()
            self._tell(truth)
            self._ready.set()
            self._serve(terminal, truth, stop, self._began_s + seconds)

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

    def _announce(self, terminal: PseudoTerminal) -> None:
        self.port = terminal.path
        if self._on_port is not None:
            self._on_port(self.port)

    def _serve(self, terminal: PseudoTerminal, truth: TextIO | None, stop: threading.Event, end_s: float) -> None:
        next_tick_s = self._now_s + TICK_S
        while not stop.is_set() and self._now_s < end_s:
            readable = self._wait(terminal, min(next_tick_s, end_s))
            now_s = min(host_time_s(), end_s)
            if readable:
                self._answer(terminal.read(), now_s)
            if now_s >= min(next_tick_s, end_s):
                self._advance(now_s)
                self._send(b"", now_s)
                next_tick_s = max(next_tick_s + TICK_S, now_s)
                self._tell(truth)
                self._carry_out(terminal, now_s)
            self._deliver(terminal, now_s)
        self._advance(min(host_time_s(), end_s))
        self._tell(truth)

    def _wait(self, terminal: PseudoTerminal, until_s: float) -> bool:
        """Wait until the host has sent something, can take something, or it is time; tell whether it has sent."""
        next_s = self._line.next_arrival_s
        if next_s is not None:
            until_s = min(until_s, self._began_s + next_s)
        poll = select.poll()
        if terminal.fileno() >= 0:
            poll.register(terminal.fileno(), select.POLLIN | (select.POLLOUT if self._pending else 0))
        if self._wire is not None:
            poll.register(self._wire.fileno(), select.POLLIN)
        events = dict(poll.poll(max(until_s - host_time_s(), 0.0) * 1e3))
        if self._wire is not None and self._wire.fileno() in events:
            self._wire.take()
        return bool(events.get(terminal.fileno(), 0) & select.POLLIN)

    def _tell(self, truth: TextIO | None) -> None:
        if truth is not None:
            truth.write(f"{time.time_ns()},{self._energy_true_j:.9f}\n")
            truth.flush()

    def _answer(self, data: bytes, now_s: float) -> None:
        self._advance(now_s)
        answer = self._encoder.receive(data, self._device_s(now_s))
        self._send(self._line.answer(answer) if self._polled else answer, now_s)

    def _advance(self, now_s: float) -> None:
        """Draw the load up to ``now_s`` and let the meter measure it."""
        self._draw(self._now_s - self._began_s, now_s - self._began_s)
        self._now_s = now_s
        first, last = self._sample_number, int(self._device_s(now_s) / self._sample_s)
        first = max(first, last - int(MAX_STEP_S / self._sample_s))
        if last <= first:
            return
        self._sample_number = last
        t_device_s = np.arange(first, last + 1, dtype=np.float64) * self._sample_s
        edges_s = t_device_s / self._clock_rate + (self._device_began_s - self._began_s)
        power_w, supply_v = self._curve.means(edges_s)
        voltage_v, current_a = self._measure(power_w, supply_v)
        logic = self._marker_levels(edges_s[1:])
        at = 0
        for count, arrives in self._line.runs(last - first):
            part = slice(at, at + count)
            levels = None if logic is None else logic[part]
            data = self._encoder.emit(t_device_s[1:][part], voltage_v[part], current_a[part], levels)
            if arrives:
                self._send(self._room(data, count), now_s)
            else:
                self._line.lose(count, data)
            at += count

    def _make_wire(self) -> MarkerWire | None:
        """Return the wire to the marker inputs, None without one. Raises ConfigurationError where there are none."""
        path = self._settings.marker_socket
        if path is not None and not self.driver.data_sheet.marker_inputs:
            raise ConfigurationError(f"a {self.driver.name} has no marker input; leave the marker socket out")
        return None if path is None else MarkerWire(path, lambda: host_time_s() - self._began_s)

    def _marker_levels(self, t_s: F64) -> U8 | None:
        levels = self._load.marker_at(t_s) if isinstance(self._load, SteppedLoad) else None
        if self._wire is None:
            return levels
        driven = self._wire.levels(t_s)
        return driven if levels is None else driven | levels

    def _draw(self, begin_s: float, end_s: float) -> None:
        noise_w = float(self._rng.normal(0.0, self._settings.noise_w)) if self._settings.noise_w else 0.0
        changes_s = self._load.changes_s(begin_s, end_s) if isinstance(self._load, SteppedLoad) else []
        for one_s, next_s in pairwise([begin_s, *changes_s, end_s]):
            load = self._load.step(one_s, next_s)
            power_w = max(load.power_w + noise_w, 0.0)
            self._energy_true_j += power_w * (next_s - one_s)
            self._curve.draw(next_s, Load(power_w, load.voltage_v))

    def _measure(self, power_w: F64, voltage_v: F64) -> tuple[F64, F64]:
        """Return what this unit reads, with its constant errors in it: volts and amperes."""
        error = self.error
        current_a = power_w / voltage_v
        limits_a = [one.max_current_a for one in self.driver.data_sheet.ranges]
        index = np.minimum(np.searchsorted(limits_a, current_a, side="left"), len(limits_a) - 1)
        shown_v = voltage_v * (1.0 + error.voltage_gain_ratio) + error.voltage_offset_v
        if error.power_gain_ratio is not None:
            shown_w = power_w * (1.0 + error.power_gain_ratio) + np.array(error.power_offset_w)[index]
            return shown_v, np.maximum(shown_w, 0.0) / shown_v
        return shown_v, current_a * (1.0 + np.array(error.gain_ratio)[index]) + np.array(error.offset_a)[index]

    def _device_s(self, now_s: float) -> float:
        return (now_s - self._device_began_s) * self._clock_rate

    def _room(self, data: bytes, count: int) -> bytes:
        """Return what the port can still hold, whole samples only; the rest is lost."""
        frame_bytes = max(len(data) // count, 1)
        held_bytes = len(self._pending) + self._line.on_the_way_bytes
        room = max(BACKLOG_BYTES - held_bytes, 0) // frame_bytes * frame_bytes
        self.dropped_bytes += max(len(data) - room, 0)
        return data[:room]

    def _send(self, data: bytes, now_s: float) -> None:
        since_s = now_s - self._began_s
        self._line.send(self._line.damage(data, since_s), since_s)

    def _deliver(self, terminal: PseudoTerminal, now_s: float) -> None:
        self._pending += self._line.arrived(now_s - self._began_s)
        if terminal.fileno() >= 0:
            terminal.write(self._pending)
        else:
            self._line.counts.unplugged_bytes += len(self._pending)
            self._pending.clear()

    def _carry_out(self, terminal: PseudoTerminal, now_s: float) -> None:
        """Do what was planned for this time."""
        while self._planned and self._planned[0][0] <= now_s - self._began_s:
            what = self._planned.pop(0)[1]
            if what == "reset":
                self._line.counts.resets += 1
                self._encoder = self.driver.make_encoder(self._settings.options, self._settings.seed)
                self._device_began_s, self._sample_number = now_s, 0
            elif what == "unplug":
                self._line.counts.unplugs += 1
                terminal.unplug()
            else:
                terminal.plug()
                self._announce(terminal)

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


def _plan(faults: Faults) -> list[tuple[float, str]]:
    """Return what is to happen and when, in order."""
    plan = [(t_s, "reset") for t_s in faults.reset_at_s]
    for t_s, length_s in faults.unplug_at_s:
        plan += [(t_s, "unplug"), (t_s + length_s, "plug")]
    return sorted(plan, key=lambda one: one[0])
