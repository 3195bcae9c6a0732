"""A meter at a port: read in the background, integrated, and found again after the cable was pulled.

``Reader`` (firmware_bridge.reader) has the port and the decoder and no lock; ``Meter`` has the state and the lock, and
takes the reader's messages. Between the two runs nothing but those messages, so that a reader process can take the
place of the reader thread.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, Self

from firmware_bridge.calibration import Calibration
from firmware_bridge.clock import ClockEstimate
from firmware_bridge.driver import MeterDriver, Options
from firmware_bridge.errors import MeterUnavailableError
from firmware_bridge.markers import COMMAND_S, COMMAND_SPACING_S, HostMark, MarkerEdge
from firmware_bridge.port import host_time_s
from firmware_bridge.reader import Connected, Disconnected, Heard, Marked, Message, Reader
from firmware_bridge.replay_port import recorded_header
from firmware_bridge.samples import EnergyReading, FrameError, MeterIdentity, SampleBlock
from firmware_bridge.step_trace import StepTrace
from firmware_bridge.steps import StepAlignment, find_lag_or_why
from firmware_bridge.stream import UsbPorts, is_simulated_port
from firmware_bridge.timeline import SyncState, Timeline
from firmware_bridge.usb import UsbPort, list_usb_ports

OPEN_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class MeterHealth:
    """The state of the connection, and what went wrong since ``open``.

    ``last_sample_age_s`` is None before the first sample. ``device`` is what is or was open for the port, ``usb_url``
    names that device whatever it is called, empty where it is not USB. ``meter_changes``: how often another unit
    answered than before. ``resets``: how often the meter said that it began anew. ``clock_steps``: how often its
    clock jumped. ``last_error``: what was wrong last, empty where nothing was. ``ended``: a recording is over.
    """

    connected: bool
    frame_errors: dict[str, int]
    reconnects: int
    last_sample_age_s: float | None
    identity: MeterIdentity | None
    received_bytes: int = 0
    lost_count: float = 0.0
    resets: int = 0
    clock_steps: int = 0
    meter_changes: int = 0
    last_error: str = ""
    device: str = ""
    usb_url: str = ""
    ended: bool = False


class Meter:
    """One meter, read in the background. All methods may be called from any thread.

    ``port``: any path or URL that ``firmware_bridge.stream`` opens. ``options`` of a recording's header hold where
    none are given here.
    ``limit_w``: the most that the supply can deliver; it bounds what a gap may hide.
    ``on_block``: called in the reader thread with each calibrated block; keep it short.
    ``usb_ports``: lists the machine's USB ports. Raises ConfigurationError for options that decide the data sheet
    and cannot be.
    """

    def __init__(
        self,
        driver: MeterDriver,
        port: str,
        *,
        options: Options | None = None,
        calibration: Calibration | None = None,
        limit_w: float | None = None,
        on_block: Callable[[SampleBlock], None] | None = None,
        usb_ports: UsbPorts = list_usb_ports,
    ) -> None:
        recorded = recorded_header(port)
        self._options: Options = {**({} if recorded is None else recorded.options), **(options or {})}
        self.driver = driver = driver.for_options(self._options)
        self.port = port
        self._on_block = on_block
        self._usb_ports = usb_ports
        self._lock = threading.Lock()
        self._timeline = Timeline(driver.data_sheet, calibration, limit_w=limit_w)
        self._frame_errors: Counter[str] = Counter()
        self._meter_complaint = ""
        self._last_error = ""
        self._identity: MeterIdentity | None = None
        self._last_block: SampleBlock | None = None
        self._received_bytes = 0
        self._reconnects = 0
        self._device = ""
        self._usb: UsbPort | None = None
        self._simulated = False
        self._connected = False
        self._time_s: Callable[[], float] = host_time_s
        self._progress = threading.Event()
        self._ended = threading.Event()
        self._sampled = False
        self._next_mark_s = 0.0
        self._trace: tuple[StepTrace, int] | None = None
        self._reader: Reader | None = None
        self._thread: threading.Thread | None = None

    def open(self, timeout_s: float = OPEN_TIMEOUT_S) -> None:
        """Open the port, start the reader and wait for the first samples.

        Raises ConfigurationError (port, permission, option) or MeterUnavailableError (busy, or no samples).
        Nothing is left running or locked when it raises.
        """
        if self._thread is not None:
            raise RuntimeError("this meter is open already")
        self._progress.clear()
        self._ended.clear()
        self._sampled = False
        reader = Reader(self.driver, self.port, self._options, self._take, usb_ports=self._usb_ports)
        try:
            self._time_s = reader.open().time_s
            thread = threading.Thread(target=reader.run, name=f"meter {self.port}", daemon=True)
            thread.start()
        except BaseException:
            reader.close()
            raise
        self._reader, self._thread = reader, thread
        waited_s = timeout_s + 2.0 * self.driver.data_sheet.sample_interval_s
        try:
            self._progress.wait(waited_s)
        finally:
            if not self._sampled:
                self.close()
        if not self._sampled:
            raise MeterUnavailableError(self._no_samples(waited_s))

    def close(self) -> None:
        """Stop the meter's stream, close the port and join the thread. Safe to call twice."""
        reader, thread = self._reader, self._thread
        if reader is None or thread is None:
            return
        reader.stop()
        thread.join()
        with self._lock:
            self._reader = self._thread = None
        reader.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def now_s(self) -> float:
        """Return the host time that this meter's bytes are stamped with: ``host_time_s``, or a recording's clock."""
        return self._time_s()

    def first(self) -> EnergyReading | None:
        """Return the register at the stream's begin, None before the first sample."""
        with self._lock:
            return self._timeline.first()

    def snapshot(self) -> EnergyReading:
        """Return the cumulative register after the last sample; all zero before the first."""
        with self._lock:
            return self._timeline.latest()

    def reading_at(self, t_host_s: float) -> EnergyReading | None:
        """Return the register at a host time (``now_s``), None if samples have not reached it yet.

        After two seconds of silence the missing time is a gap, and stays one when samples resume.
        """
        with self._lock:
            return self._timeline.reading_at(t_host_s, self._time_s())

    def latest_block(self) -> SampleBlock | None:
        """Return the samples that arrived last, calibrated; None before the first."""
        with self._lock:
            return self._last_block

    def latest_power_w(self) -> float | None:
        """Return the mean power of the samples that arrived last; None before the first and while disconnected."""
        with self._lock:
            if self._last_block is None or not self._connected:
                return None
            return float(self._last_block.power_w.mean())

    def health(self) -> MeterHealth:
        """Return the state of the connection."""
        with self._lock:
            return MeterHealth(
                connected=self._connected,
                frame_errors=dict(self._frame_errors),
                reconnects=self._reconnects,
                last_sample_age_s=self._timeline.silent_s(self._time_s()),
                identity=self._identity,
                received_bytes=self._received_bytes,
                lost_count=self._timeline.latest().lost_count,
                resets=self._frame_errors["reset"],
                clock_steps=self._timeline.clock_steps,
                meter_changes=self._timeline.meter_changes,
                last_error=self._last_error,
                device=self._device,
                usb_url="" if self._usb is None else self._usb.url,
                ended=self._ended.is_set(),
            )

    def reader_silent_s(self) -> float | None:
        """Return how long ago the reader came round last, reading or looking for the port; None while closed.

        A meter that is silent or unplugged does not keep it; seconds of it mean that the reader hangs.
        """
        reader = self._reader
        return None if reader is None else host_time_s() - reader.turned_s

    def sync(self) -> SyncState:
        """Return how the meter's time is aligned to the host's."""
        with self._lock:
            return self._timeline.sync()

    def clock(self) -> ClockEstimate | None:
        """Return offset and drift of the meter's clock with their uncertainty, None where it has none to tell of."""
        with self._lock:
            return self._timeline.clock()

    def mark(self, level: bool, before_s: float, after_s: float | None = None, *, bit: int = 0) -> None:  # noqa: FBT001 a level
        """Say that the host drove the line on the meter's marker input ``bit`` to ``level`` between two host times.

        Take ``before_s`` (``now_s``) right before the line is driven, and call this right after, so that ``after_s``
        is now. From three agreeing marks on, ``sync`` goes by them: see ``firmware_bridge.markers``.
        """
        mark = HostMark(before_s, self._time_s() if after_s is None else after_s, level, bit)
        with self._lock:
            self._timeline.mark(mark)

    @property
    def makes_marks(self) -> bool:
        """Can this meter be told to mark a sample, by a command on its own line?"""
        return self._reader is not None and self._reader.makes_marks

    def mark_serially(self) -> bool:
        """Ask for such a mark; tell whether it will be tried. No sooner than a quarter of a second after the last.

        The reader thread writes the command, and notes when. From three marks on that agree, ``sync`` goes by them.
        """
        with self._lock:
            now_s = self._time_s()
            reader = self._reader
            if reader is None or not reader.makes_marks or now_s < self._next_mark_s:
                return False
            self._next_mark_s = now_s + COMMAND_SPACING_S
            reader.ask_for_mark()
            return True

    def watch_steps(self) -> None:
        """Keep samples from now on for ``find_steps``."""
        with self._lock:
            self._trace = StepTrace(self.driver.data_sheet), self._timeline.clock_epoch

    def find_steps(self, busy_s: Sequence[tuple[float, float]], chip_s: float = 0.0) -> StepAlignment | str:
        """Return where the samples since ``watch_steps`` show a load that was busy at these host times, and stop that.

        ``busy_s``: (begin, end) in order. Ask when samples have come for all of it. Or one sentence why they do not.
        """
        with self._lock:
            watched, self._trace = self._trace, None
            if watched is None or watched[1] != self._timeline.clock_epoch or self._timeline.first() is None:
                return "the meter's clock began anew while the load was produced"
            to_device = self._timeline.arrival_device_s
            busy_device_s = [(to_device(begin_s), to_device(end_s)) for begin_s, end_s in busy_s]
            search_s = self._timeline.step_search_s()
        sampling = self.driver.data_sheet.sampling
        found = find_lag_or_why(
            busy_device_s, watched[0].samples(), sampling=sampling, search_s=search_s, chip_s=chip_s
        )
        if isinstance(found, str):
            return found
        return replace(found, t_host_s=sum(begin_s + end_s for begin_s, end_s in busy_s) / (2.0 * len(busy_s)))

    def align(self, found: StepAlignment | None) -> None:
        """Read the register by this from now on, until the meter's clock begins anew; by arrivals again for None."""
        with self._lock:
            self._timeline.align(found)

    def markers(self) -> tuple[MarkerEdge, ...]:
        """Return the latest edges of the marker inputs, oldest first, on the device's clock as ``snapshot`` has it."""
        with self._lock:
            return self._timeline.edges()

    def wait_until_ended(self, timeout_s: float | None = None) -> bool:
        """Wait until a recording is over; tell whether it is. A live meter never ends."""
        return self._ended.wait(timeout_s)

    @property
    def is_simulated(self) -> bool:
        """Is the port a pseudo-terminal or a recording, so that no real meter measures now?"""
        return self._simulated or is_simulated_port(self.port)

    def _take(self, message: Message) -> None:
        """Take what the reader tells, in its thread."""
        if isinstance(message, Heard):
            self._hear(message)
            return
        with self._lock:
            if isinstance(message, Connected):
                self._note_connection(message)
            elif isinstance(message, Marked):
                self._note_mark(message.before_s)
            else:
                self._note_loss(message)
        if self._ended.is_set():
            self._progress.set()

    def _note_connection(self, message: Connected) -> None:
        self._device, self._usb = message.device, message.usb
        self._simulated = self._simulated or message.simulated
        self._reconnects += not message.is_first
        self._timeline.reconnected(message.path_delay_s)

    def _note_mark(self, before_s: float) -> None:
        self._next_mark_s = before_s + COMMAND_SPACING_S
        self._timeline.mark(HostMark(before_s, before_s + COMMAND_S, rising=True, commanded=True))

    def _note_loss(self, message: Disconnected) -> None:
        self._connected = False
        if message.is_final:
            self._ended.set()
        self._last_error = message.reason or self._last_error

    def _hear(self, heard: Heard) -> None:
        with self._lock:
            self._received_bytes += heard.received_bytes
            taken = self._timeline.take(heard.events, heard.t_host_s, self._frame_errors)
            self._identity = taken.identity or self._identity
            self._meter_complaint = taken.complaint or self._meter_complaint
            for event in heard.events:
                if isinstance(event, FrameError):
                    self._last_error = _described(event)
            if taken.blocks:
                self._last_block = taken.blocks[-1]
                self._connected = self._sampled = True
            if self._trace is not None:
                for block in taken.blocks:
                    self._trace[0].add(block)
        if taken.blocks:
            self._progress.set()
        if self._on_block is not None:
            for block in taken.blocks:
                self._on_block(block)

    def _no_samples(self, waited_s: float) -> str:
        name = self.driver.name
        if self._ended.is_set():
            why = self._last_error or f"{self.port}: the recording is over"
            return f"{why}, and it holds no sample of a {name}"
        if not self._received_bytes:
            return (
                f"{self.port}: nothing came from the meter in {waited_s:.0f} s; is it powered, is this its port, "
                f"and is it really a {name}?"
            )
        if self._meter_complaint:
            return f"{self.port}: the {name} answers, but: {self._meter_complaint}"
        if self._identity is not None:
            why = self._last_error or "is its load connected?"
            return f"{self.port}: the {name} answers but sends no samples ({waited_s:.0f} s); {why}"
        return (
            f"{self.port}: {self._received_bytes} bytes came in {waited_s:.0f} s, none of them a sample of a {name}; "
            "wrong driver, wrong port or wrong baud rate?"
        )


def _described(error: FrameError) -> str:
    return f"{error.kind} ({error.count}){f': {error.detail}' if error.detail else ''}"
