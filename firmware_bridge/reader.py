"""Reads one meter for ever: port, decoder, and the way back after the cable was pulled. Others see no state of it.

What happens is told in messages, in order; ``Meter`` takes them under its lock. Everything that a reader needs can be
sent to another process (the driver by its name), and so can its messages: where decoding must not compete with the
application for the interpreter, ``Reader.run`` can live in a process of its own and ``tell`` be the end of a pipe.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, runtime_checkable

from firmware_bridge.driver import MeterDecoder, MeterDriver, Options
from firmware_bridge.errors import ConfigurationError, FirmwareBridgeError, MeterUnavailableError, RecordingEndedError
from firmware_bridge.port import Port, Waker, host_time_s
from firmware_bridge.samples import Event, SampleBlock
from firmware_bridge.stream import UsbPorts, is_pseudo_terminal, open_port
from firmware_bridge.usb import UsbPort, list_usb_ports

LOG = logging.getLogger(__name__)

POLL_S: Final = 0.02
"""How often a polled meter's decoder is asked what to send, where it does not say when that is due."""
SHORTEST_WAIT_S: Final = 0.001
LONGEST_WAIT_S: Final = 0.5
STREAM_POLL_S: Final = 0.1
DRAIN_S: Final = 0.005
"""A stream whose rate is not known yet is read this often, and none more often."""
DRAIN_BYTES: Final = 3072
"""A stream is read when so much is expected: a Linux tty hands out 4 kB, which is 10 ms of the fastest meter."""
DECODE_S: Final = 0.08
"""A stream is decoded this often: larger pieces cost far less."""
SILENT_RECONNECT_S: Final = 5.0
FIRST_BACKOFF_S: Final = 0.1
MAX_BACKOFF_S: Final = 1.0
"""Looking for a port that is not there costs about a millisecond; who plugs it in again waits no longer than this."""


@dataclass(frozen=True, slots=True)
class Connected:
    """A port was opened. ``device``: what was opened for the URL, ``usb`` which device that is, where it is USB."""

    t_host_s: float
    device: str
    usb: UsbPort | None
    path_delay_s: float
    simulated: bool
    is_first: bool


@dataclass(frozen=True, slots=True)
class Heard:
    """Bytes came, and this is what they meant. ``t_host_s``: when the last of them came."""

    t_host_s: float
    received_bytes: int
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is no more, or a new one could not be made. ``is_final``: a recording is over."""

    t_host_s: float
    reason: str
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Marked:
    """The meter was told to mark a sample. ``before_s``: right before the command was written."""

    before_s: float


Message: TypeAlias = Connected | Heard | Disconnected | Marked


@runtime_checkable
class TellsWhenDue(Protocol):
    """A decoder that knows when it will want to write: the reader then sleeps until there is something to do."""

    def next_due_s(self) -> float:
        """Return the host time before which ``bytes_to_send`` returns nothing unless bytes come in between."""
        ...


@runtime_checkable
class MakesMarks(Protocol):
    """A decoder whose meter marks one sample when it is told to: the first one that it finishes after the command."""

    def mark_bytes(self) -> bytes:
        """Return that command; empty while the meter would not take it."""
        ...


class Reader:
    """Connects to one meter, drives its decoder, and connects again when it goes away.

    ``open``, then ``run`` in a thread of its own; ``stop`` from any thread; ``close`` when ``run`` has returned.
    ``usb_ports`` lists the machine's USB ports.
    """

    def __init__(
        self,
        driver: MeterDriver,
        url: str,
        options: Options,
        tell: Callable[[Message], None],
        *,
        usb_ports: UsbPorts = list_usb_ports,
    ) -> None:
        self._driver = driver
        self._url = url
        self._options = options
        self._tell = tell
        self._usb_ports = usb_ports
        self._polled = driver.data_sheet.clock == "host_arrival"
        self._waker = Waker()
        self._stopping = threading.Event()
        self._connection: tuple[Port, MeterDecoder] | None = None
        self._known: UsbPort | None = None
        self._is_first = True
        self._heard_samples = False
        self._rate_bytes_s = 0.0
        self._asking = threading.Lock()
        self._mark_asked = False
        self._turned_s = host_time_s()
        self.makes_marks = False

    def open(self) -> Port:
        """Make the first connection. Raises ConfigurationError or MeterUnavailableError."""
        self._connection = self._connect()
        return self._connection[0]

    def run(self) -> None:
        """Serve connections until ``stop``, or until a recording is over."""
        backoff_s = FIRST_BACKOFF_S
        while not self._stopping.is_set() and self._attempt():
            if self._heard_samples:
                backoff_s = FIRST_BACKOFF_S
            self._forget_ask()
            self._waker.wait(backoff_s)
            backoff_s = min(2.0 * backoff_s, MAX_BACKOFF_S)

    def stop(self) -> None:
        """Let ``run`` return soon."""
        self._stopping.set()
        self._waker.wake()

    @property
    def turned_s(self) -> float:
        """Return the host time at which ``run`` last came round, reading or looking for the port."""
        return self._turned_s

    def ask_for_mark(self) -> None:
        """Let the meter mark a sample soon, where its decoder can; ``Marked`` tells when it was told to."""
        with self._asking:
            self._mark_asked = True
            self._waker.wake()

    def close(self) -> None:
        """Release what is held. Safe to call twice, not while ``run`` runs."""
        if self._connection is not None:
            self._connection[0].close()
            self._connection = None
        self._waker.close()

    def _attempt(self) -> bool:
        """Serve one connection, or fail to make one; tell whether there may be another."""
        port: Port | None = None
        reason = ""
        is_over = False
        self._heard_samples = False
        self._turned_s = host_time_s()
        try:
            port, decoder = self._connection or self._connect()
            self._connection = None
            self._serve(port, decoder)
        except RecordingEndedError as error:
            is_over = True
            LOG.info("%s", error)
        except FirmwareBridgeError as error:
            reason = str(error)
            LOG.log(logging.DEBUG if port is None else logging.WARNING, "%s", error)
        except Exception as error:  # the supervisor: a decoder's bug must not end the measurement in silence
            reason = f"{self._url}: the reader failed: {error!r}"
            LOG.exception("%s: the reader failed; it connects again", self._url)
        finally:
            if port is not None:
                port.close()
        is_over = is_over or (bool(reason) and port is not None and port.recorded is not None)
        self._tell(Disconnected(host_time_s(), reason, is_over))
        return not is_over

    def _connect(self) -> tuple[Port, MeterDecoder]:
        decoder = self._driver.make_decoder(self._options)
        settings = self._driver.serial_settings(self._options)
        port = open_port(self._url, settings, known=self._known, waker=self._waker, usb_ports=self._usb_ports)
        recorded = port.recorded
        if recorded is not None and recorded.driver != self._driver.name:
            port.close()
            raise ConfigurationError(f"{self._url}: recorded from a {recorded.driver}, not from a {self._driver.name}")
        self._known = port.usb or self._known
        self.makes_marks = isinstance(decoder, MakesMarks) and recorded is None
        simulated = recorded is not None or is_pseudo_terminal(port.device)
        self._tell(Connected(port.time_s(), port.device, port.usb, port.path_delay_s, simulated, self._is_first))
        if not self._is_first:
            LOG.info("%s: connected again (%s)", self._url, port.device)
        self._is_first = False
        return port, decoder

    def _serve(self, port: Port, decoder: MeterDecoder) -> None:
        """Drive the decoder until ``stop`` is called. Raises MeterUnavailableError or RecordingEndedError."""
        patience_s = max(SILENT_RECONNECT_S, 10.0 * self._driver.data_sheet.max_interval_s)
        due_s = decoder.next_due_s if isinstance(decoder, TellsWhenDue) else None
        is_gathered = not self._polled and port.recorded is None
        silent_s = 0.0
        now_s = port.time_s()
        while not self._stopping.is_set():
            self._turned_s = host_time_s()
            if self._mark_asked:
                self._mark(port, decoder)
            if port.host_may_speak():
                outgoing = decoder.bytes_to_send(port.time_s())
                if outgoing:
                    port.write(outgoing)
            data = port.read(self._wait_s(due_s, now_s))
            before_s, now_s = now_s, port.time_s()
            silent_s += min(now_s - before_s, LONGEST_WAIT_S)  # a host that slept did not listen
            if data:
                if is_gathered:
                    data, now_s = self._gather(port, data, now_s)
                events = tuple(decoder.feed(data, now_s))
                if any(isinstance(event, SampleBlock) for event in events):
                    self._heard_samples = True
                    silent_s = 0.0
                self._tell(Heard(now_s, len(data), events))
            if silent_s > patience_s and port.recorded is None:
                raise MeterUnavailableError(f"{self._url}: no samples for {patience_s:.0f} s; connecting again")
        port.write(decoder.stop_bytes())

    def _mark(self, port: Port, decoder: MeterDecoder) -> None:
        """Tell the meter to mark a sample, where it takes the command now."""
        self._forget_ask()
        command = decoder.mark_bytes() if isinstance(decoder, MakesMarks) and port.recorded is None else b""
        if command:
            before_s = port.time_s()
            port.write(command)
            self._tell(Marked(before_s))

    def _forget_ask(self) -> None:
        """Let waiting be waiting again, unless it is to end for good."""
        with self._asking:
            self._mark_asked = False
            self._waker.reset()
        if self._stopping.is_set():
            self._waker.wake()

    def _wait_s(self, due_s: Callable[[], float] | None, now_s: float) -> float:
        """Return how long to wait for bytes before the decoder is asked again what to send."""
        if due_s is None:
            return POLL_S if self._polled else STREAM_POLL_S
        return min(max(due_s() - now_s, SHORTEST_WAIT_S), LONGEST_WAIT_S)

    def _gather(self, port: Port, data: bytes, now_s: float) -> tuple[bytes, float]:
        """Go on reading for ``DECODE_S``; return all bytes and when the last of them came."""
        pieces, begin_s = [data], now_s
        while (before_s := port.time_s()) < begin_s + DECODE_S and not (self._stopping.is_set() or self._mark_asked):
            port.pause(min(self._drain_s(), begin_s + DECODE_S - before_s))
            piece = port.read(0.0)
            if piece:
                pieces.append(piece)
                now_s = port.time_s()
        self._rate_bytes_s = sum(map(len, pieces[1:])) / max(before_s - begin_s, DRAIN_S)
        return b"".join(pieces), now_s

    def _drain_s(self) -> float:
        """Return how soon the port must be read again at the rate seen last."""
        return max(DRAIN_BYTES / self._rate_bytes_s, DRAIN_S) if self._rate_bytes_s else DRAIN_S
