"""What a meter driver is: a data sheet, a pure decoder and a pure encoder.

A driver is one file in ``drivers/`` that ends in ``DRIVER = MeterDriver(...)``. The registry finds it; the common
test suite, ``edgejoule meter list`` and the emulator use it without another edit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, TypeAlias

from firmware_bridge.samples import F64, U8, Event

OptionValue: TypeAlias = str | int | float | bool
FieldValue: TypeAlias = str | int | float | bool | None
Options: TypeAlias = Mapping[str, OptionValue]

ClockKind = Literal["device", "sample_counter", "host_arrival"]
Sampling = Literal["mean", "point"]
Boundary = Literal["ac_wall", "usb_dc", "dc_input", "rail", "site"]
GainDistribution = Literal["rectangular", "normal"]


class MeterDecoder(Protocol):
    """The host's side of one meter's protocol. No I/O and no clock: bytes and times come in as arguments.

    ``t_host_s`` is any monotonic host time in seconds. A decoder that is fed without ever being asked what to send
    listens only: it takes the bytes for the meter's stream or answers as they come, as from a raw file.
    """

    def bytes_to_send(self, t_host_s: float) -> bytes:
        """Return what the host must write now: handshake, poll, start; empty when nothing is due."""
        ...

    def feed(self, data: bytes, t_host_s: float) -> list[Event]:
        """Take bytes in any chunking and return what they meant. Never raises on bad bytes; bounded memory."""
        ...

    def stop_bytes(self) -> bytes:
        """Return what the host writes before it closes the port."""
        ...

    def last_fields(self) -> Mapping[str, FieldValue]:
        """Return what the meter said last beyond the sample's own columns, by name with unit; may be empty."""
        ...


class MeterEncoder(Protocol):
    """The meter's side of the protocol: for emulation and for round-trip tests. Pure, seeded."""

    def receive(self, data: bytes, t_device_s: float) -> bytes:
        """Take the host's bytes and return the meter's answer."""
        ...

    def emit(self, t_device_s: F64, voltage_v: F64, current_a: F64, logic: U8 | None = None) -> bytes:
        """Measure the samples (shape ``(n,)``) and return stream bytes; polled meters keep them and return empty.

        ``logic``: the levels of the marker inputs as bits, all low where None; ignored by meters without markers.
        """
        ...


@dataclass(frozen=True, slots=True)
class MeterRange:
    """One measuring range. ``gain`` and ``offset`` are the data sheet's limits (+-), read as rectangular.

    ``power_offset_limit_w`` counts where the sheet gives limits for power itself.
    """

    max_current_a: float
    gain_limit_ratio: float
    offset_limit_a: float
    resolution_a: float
    power_offset_limit_w: float = 0.0


@dataclass(frozen=True, slots=True)
class DataSheet:
    """A meter's properties as data, each with its source.

    ``sample_interval_s``: nominal time between samples. ``max_interval_s``: a longer one is a gap.
    ``sampling``: does a sample stand for the mean since the last one, or for an instant?
    ``voltage_gain_limit_ratio``, ``voltage_offset_limit_v``: limits (+-) on the voltage that goes into power,
    read as rectangular distributions (JCGM 100:2008, 4.3.7).
    ``gain_distribution``: how the gain of current (or power) is to be read: "rectangular" limits, or "normal" where
    the source gives a typical value, which about two units of three keep: a standard deviation (4.3.6).
    ``accuracy_basis``: where the limits come from, and whether they are a specification or an assumption.
    ``integrity``: what shows that bytes were damaged or lost on the way, and what one flipped bit can do unseen.
    ``power_gain_limit_ratio``: limit (+-) on power where the meter measures power itself (AC); with each range's
    ``power_offset_limit_w`` it then replaces the limits on current and voltage. ``power_resolution_w``: its step.
    ``starting_power_w``: below it the meter may show nothing; what it shows below it is uncertain by as much.
    ``refresh_interval_s``: how often the registers of a polled meter change; read more often they are stale.
    ``counter_step_j``: the step of the meter's own energy counter, None where it has none.
    ``marker_inputs``: how many digital inputs are sampled with the power.
    ``ranges_share_errors``: one unit has the same gain and offset whatever its current, as the ranges are steps of a
    number format, or modules of which it has one; else each range has a shunt, and errors, of its own.
    """

    manufacturer: str
    model: str
    min_voltage_v: float
    max_voltage_v: float
    ranges: tuple[MeterRange, ...]
    voltage_gain_limit_ratio: float
    voltage_offset_limit_v: float
    voltage_resolution_v: float
    sample_interval_s: float
    max_interval_s: float
    sampling: Sampling
    clock: ClockKind
    boundaries: tuple[Boundary, ...]
    sync_facility: str
    usb_ids: tuple[tuple[int, int], ...]
    accuracy_basis: str
    integrity: str
    source: str
    power_gain_limit_ratio: float | None = None
    power_resolution_w: float | None = None
    starting_power_w: float = 0.0
    refresh_interval_s: float | None = None
    counter_step_j: float | None = None
    marker_inputs: int = 0
    gain_distribution: GainDistribution = "rectangular"
    ranges_share_errors: bool = False

    @property
    def nominal_voltage_v(self) -> float:
        """Return a supply voltage that this meter is made for: 230 V at the wall, else 5 V if it can."""
        if {"ac_wall", "site"} & set(self.boundaries):
            return 230.0
        return min(max(5.0, self.min_voltage_v), self.max_voltage_v)


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """How to open the port. ``baud_hz`` is ignored by USB CDC meters, but pyserial wants one."""

    baud_hz: int = 115200
    bytesize: int = 8
    parity: Literal["N", "E", "O"] = "N"
    stopbits: Literal[1, 2] = 1
    exclusive: bool = True


@dataclass(frozen=True, slots=True)
class MeterDriver:
    """One supported meter. ``options`` documents what ``make_decoder``/``make_encoder`` accept, with defaults.

    ``serial_for``: where options decide how the port is opened (a baud rate that the user sets at the meter).
    ``sheet_for``: where options decide what the sheet says (a sample rate, a measuring mode); ``data_sheet`` is that
    of the defaults.
    """

    name: str
    title: str
    data_sheet: DataSheet
    make_decoder: Callable[[Options], MeterDecoder]
    make_encoder: Callable[[Options, int], MeterEncoder]
    serial: SerialSettings = field(default_factory=SerialSettings)
    options: Mapping[str, str] = field(default_factory=dict)
    serial_for: Callable[[Options], SerialSettings] | None = None
    sheet_for: Callable[[Options], DataSheet] | None = None

    def serial_settings(self, options: Options) -> SerialSettings:
        """Return how to open the port for these options."""
        return self.serial if self.serial_for is None else self.serial_for(options)

    def for_options(self, options: Options) -> "MeterDriver":
        """Return this driver with the data sheet that holds for these options."""
        return self if self.sheet_for is None else replace(self, data_sheet=self.sheet_for(options))
