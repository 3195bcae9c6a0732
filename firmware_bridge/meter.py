"""A meter at a port: a reader thread that decodes, integrates, and comes back after the cable was pulled."""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from firmware_bridge.calibration import Calibration
from firmware_bridge.driver import MeterDecoder, MeterDriver, Options
from firmware_bridge.errors import FirmwareBridgeError, MeterUnavailableError
from firmware_bridge.samples import EnergyReading, Event, MeterIdentity, SampleBlock
from firmware_bridge.stream import Port, host_time_s, is_pseudo_terminal, open_port
from firmware_bridge.timeline import SyncState, Timeline

LOG = logging.getLogger(__name__)

OPEN_TIMEOUT_S: Final = 5.0
POLL_S: Final = 0.02
"""How often a polled meter's decoder is asked what to send."""
STREAM_POLL_S: Final = 0.1
DRAIN_S: Final = 0.005
"""A stream is read this often: a Linux tty holds 4 kB, which is 10 ms of the fastest meter."""
DECODE_S: Final = 0.02
"""A stream is decoded this often: larger pieces cost far less."""
SILENT_RECONNECT_S: Final = 5.0
FIRST_BACKOFF_S: Final = 0.1
MAX_BACKOFF_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class MeterHealth:
    """The state of the connection. ``last_sample_age_s`` is None before the first sample."""

    connected: bool
    frame_errors: dict[str, int]
    reconnects: int
    last_sample_age_s: float | None
    identity: MeterIdentity | None


class Meter:
    """One meter, read in the background. All methods may be called from any thread.

    ``limit_w``: the most that the supply can deliver; it bounds what a gap may hide.
    ``on_block``: called in the reader thread with each calibrated block; keep it short.
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
    ) -> None:
        self.driver = driver
        self.port = port
        self._options: Options = options or {}
        self._on_block = on_block
        self._polled = driver.data_sheet.clock == "host_arrival"
        self._lock = threading.Lock()
        self._timeline = Timeline(driver.data_sheet, calibration, limit_w=limit_w)
        self._frame_errors: Counter[str] = Counter()
        self._meter_complaint = ""
        self._identity: MeterIdentity | None = None
        self._last_block: SampleBlock | None = None
        self._reconnects = 0
        self._received_bytes = 0
        self._connection: Port | None = None
        self._connected = False
        self._stop = threading.Event()
        self._progress = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self, timeout_s: float = OPEN_TIMEOUT_S) -> None:
        """Open the port, start the reader and wait for the first samples.

        Raises ConfigurationError (port, permission, option) or MeterUnavailableError (busy, or no samples).
        Nothing is left running or locked when it raises.
        """
        if self._thread is not None:
            raise RuntimeError("this meter is open already")
        decoder = self.driver.make_decoder(self._options)
        self._stop.clear()
        self._progress.clear()
        self._connection = open_port(self.port, self.driver.serial)
        with self._lock:
            self._timeline.reconnected()
        self._thread = threading.Thread(
            target=self._run, args=(self._connection, decoder), name=f"meter {self.port}", daemon=True
        )
        waited_s = timeout_s + 2.0 * self.driver.data_sheet.sample_interval_s
        try:
            self._thread.start()
            self._progress.wait(waited_s)
        finally:
            if not self._progress.is_set():
                self.close()
        if not self._progress.is_set():
            raise MeterUnavailableError(self._no_samples(waited_s))

    def close(self) -> None:
        """Stop the meter's stream, close the port and join the thread. Safe to call twice."""
        thread = self._thread
        if thread is None:
            return
        self._stop.set()
        with self._lock:
            if self._connection is not None:
                self._connection.wake()
        thread.join()
        self._thread = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def first(self) -> EnergyReading | None:
        """Return the register at the stream's begin, None before the first sample."""
        with self._lock:
            return self._timeline.first()

    def snapshot(self) -> EnergyReading:
        """Return the cumulative register after the last sample."""
        with self._lock:
            return self._timeline.latest()

    def reading_at(self, t_host_s: float) -> EnergyReading | None:
        """Return the register at a host time (``host_time_s``), None if samples have not reached it yet.

        After two seconds of silence the missing time is a gap, and stays one when samples resume.
        """
        with self._lock:
            return self._timeline.reading_at(t_host_s, host_time_s())

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
                last_sample_age_s=self._timeline.silent_s(host_time_s()),
                identity=self._identity,
            )

    def sync(self) -> SyncState:
        """Return how the meter's time is aligned to the host's."""
        with self._lock:
            return self._timeline.sync()

    @property
    def is_simulated(self) -> bool:
        """Is the port a pseudo-terminal, so that no real meter is behind it?"""
        return is_pseudo_terminal(self.port)

    def _run(self, port: Port, decoder: MeterDecoder) -> None:
        """Supervise: serve a connection until it fails, then connect again with back-off, until ``close``."""
        backoff_s = FIRST_BACKOFF_S
        connection: Port | None = port
        while not self._stop.is_set():
            try:
                if connection is None:
                    connection, decoder = self._connect()
                    backoff_s = FIRST_BACKOFF_S
                self._serve(connection, decoder)
            except FirmwareBridgeError as error:
                LOG.log(logging.WARNING if connection else logging.DEBUG, "%s", error)
            except Exception:  # the supervisor: a decoder's bug must not end the measurement in silence
                LOG.exception("%s: the reader failed; it connects again", self.port)
            finally:
                self._disconnect(connection)
                connection = None
            self._stop.wait(backoff_s)
            backoff_s = min(2.0 * backoff_s, MAX_BACKOFF_S)

    def _connect(self) -> tuple[Port, MeterDecoder]:
        decoder = self.driver.make_decoder(self._options)
        port = open_port(self.port, self.driver.serial)
        with self._lock:
            self._connection = port
            self._reconnects += 1
            self._timeline.reconnected()
        LOG.info("%s: connected again", self.port)
        return port, decoder

    def _disconnect(self, port: Port | None) -> None:
        with self._lock:
            self._connected = False
            self._connection = None
        if port is not None:
            port.close()

    def _serve(self, port: Port, decoder: MeterDecoder) -> None:
        """Drive the decoder until ``close`` is called. Raises MeterUnavailableError."""
        began_s = host_time_s()
        timeout_s = POLL_S if self._polled else STREAM_POLL_S
        patience_s = max(SILENT_RECONNECT_S, 10.0 * self.driver.data_sheet.max_interval_s)
        while not self._stop.is_set():
            outgoing = decoder.bytes_to_send(host_time_s())
            if outgoing:
                port.write(outgoing)
            data = port.read(timeout_s)
            now_s = host_time_s()
            if data:
                if not self._polled:
                    data, now_s = self._gather(port, data, now_s)
                self._received_bytes += len(data)
                self._take(decoder.feed(data, now_s), now_s)
            if min(now_s - began_s, self._silent_s(now_s)) > patience_s:
                raise MeterUnavailableError(f"{self.port}: no samples for {patience_s:.0f} s; connecting again")
        port.write(decoder.stop_bytes())

    def _gather(self, port: Port, data: bytes, now_s: float) -> tuple[bytes, float]:
        """Go on reading for ``DECODE_S``; return all bytes and when the last of them came."""
        pieces, end_s = [data], now_s + DECODE_S
        while (before_s := host_time_s()) < end_s and not self._stop.is_set():
            port.pause(min(DRAIN_S, end_s - before_s))
            piece = port.read(0.0)
            if piece:
                pieces.append(piece)
                now_s = host_time_s()
        return b"".join(pieces), now_s

    def _take(self, events: list[Event], now_s: float) -> None:
        with self._lock:
            taken = self._timeline.take(events, now_s, self._frame_errors)
            self._identity = taken.identity or self._identity
            self._meter_complaint = taken.complaint or self._meter_complaint
            if taken.blocks:
                self._last_block = taken.blocks[-1]
                self._connected = True
        if taken.blocks:
            self._progress.set()
        if self._on_block is not None:
            for block in taken.blocks:
                self._on_block(block)

    def _silent_s(self, now_s: float) -> float:
        with self._lock:
            silent_s = self._timeline.silent_s(now_s)
        return now_s if silent_s is None else silent_s

    def _no_samples(self, waited_s: float) -> str:
        name = self.driver.name
        if not self._received_bytes:
            return (
                f"{self.port}: nothing came from the meter in {waited_s:.0f} s; is it powered, is this its port, "
                f"and is it really a {name}?"
            )
        if self._meter_complaint:
            return f"{self.port}: the {name} answers, but: {self._meter_complaint}"
        if self._identity is not None:
            return f"{self.port}: the {name} answers but sends no samples ({waited_s:.0f} s); is its load connected?"
        return (
            f"{self.port}: {self._received_bytes} bytes came in {waited_s:.0f} s, none of them a sample of a {name}; "
            "wrong driver, wrong port or wrong baud rate?"
        )
