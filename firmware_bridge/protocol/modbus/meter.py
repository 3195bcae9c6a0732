"""From Modbus registers to samples: what all polled register meters have in common. Pure.

A register meter measures at its own pace (``DataSheet.refresh_interval_s``) and shows the last result until the next.
Asked faster, it repeats itself: an answer that is the same in every register, within one refresh of the last fresh
one, is flagged STALE. It covers its time all the same, as nothing newer is known. Questions are regular, not at
random: what a register shows is a mean over its refresh, so a load that repeats cannot meet it at one phase.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from firmware_bridge.driver import DataSheet, FieldValue
from firmware_bridge.protocol.events import MIN_STEP_S, later_s, one_sample
from firmware_bridge.protocol.modbus.poller import Answer, Block, Missing, ModbusPoller, Registers, read_address
from firmware_bridge.protocol.options import OptionReader
from firmware_bridge.samples import Event, FrameError, MeterIdentity, SampleBlock, SampleFlag

_VOLTAGE_MARGIN: Final = 1.5
_CURRENT_MARGIN: Final = 2.0
"""Readings beyond these multiples of the data sheet's limits are no readings; a meter may show a little more."""

SYNC_FACILITY: Final = "none: arrival time of the answer, which is up to a second older than it"
INTEGRITY: Final = "CRC-16 over each answer: a flipped bit is always seen, of other damage 1 in 65,536 passes"
"""For data sheets: what every register meter with a refresh of one second has."""

MOST_POLL_S: Final = 1.0
"""The refresh of all these meters. Asked less often at regular times, means are left out, and those of a load that
repeats with the questions always at the same phase: no bound and no spread would show it."""

Known = Mapping[str, Registers]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one answer says. ``counter_j``: the meter's own energy counter, NaN where it was not read with it."""

    voltage_v: float
    current_a: float
    power_w: float
    counter_j: float = math.nan
    range_index: int | None = None
    fields: Mapping[str, FieldValue] = field(default_factory=dict)


class RegisterMap(Protocol):
    """What a family of meters adds: which registers there are and what they mean.

    ``first``: blocks to read once. ``cycle``: blocks to read again and again; the last of them makes a sample.
    """

    @property
    def first(self) -> tuple[Block, ...]: ...  # noqa: D102  see the class

    @property
    def cycle(self) -> tuple[Block, ...]: ...  # noqa: D102  see the class

    def identity(self, known: Known) -> MeterIdentity:
        """Say who it is from the blocks that are known, which may be none."""
        ...

    def objection(self, known: Known) -> str:
        """Say why the readings of this unit cannot be used and what to do; empty where they can."""
        ...

    def reading(self, known: Known) -> Reading:
        """Return the reading from the sample's block, and from the cycle's others where they came before it."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How a family is asked by default: seconds between cycles, to wait for an answer, and of silence between."""

    poll_interval_s: float
    timeout_s: float
    pause_s: float

    def options(self) -> dict[str, str]:
        """Return the options that every register meter has, documented."""
        return {
            "address": "the meter's Modbus address, 1 to 247 (default 1)",
            "poll_interval_s": f"seconds between questions, 0.1 to {MOST_POLL_S:g} (default {self.poll_interval_s:g})",
            "timeout_s": f"seconds to wait for an answer before asking again, 0.05 to 30 (default {self.timeout_s:g})",
        }


class ModbusMeterDecoder:
    """Asks a register meter and turns its answers into samples, one for each answer."""

    def __init__(
        self, sheet: DataSheet, registers: RegisterMap, read: OptionReader, pace: Pace, *, any_address: bool = False
    ) -> None:
        self._sheet = sheet
        self._map = registers
        self._poller = ModbusPoller(
            read_address(read, any_address=any_address),
            registers.first,
            registers.cycle,
            poll_interval_s=read.number("poll_interval_s", pace.poll_interval_s, low=0.1, high=MOST_POLL_S),
            timeout_s=read.number("timeout_s", pace.timeout_s, low=0.05, high=30.0),
            pause_s=pace.pause_s,
        )
        self._settings: dict[str, Registers] = {}
        self._open = {block.name for block in registers.first}
        self._cycle: dict[str, Registers] = {}
        self._identity: MeterIdentity | None = None
        self._last_s = self._fresh_s = -math.inf
        self._last_registers: Registers = ()
        self._counter_j = math.nan
        self._fields: Mapping[str, FieldValue] = {}

    def bytes_to_send(self, t_host_s: float) -> bytes:
        """Return the question when one is due."""
        return self._poller.bytes_to_send(t_host_s)

    def next_due_s(self) -> float:
        """Return when the next question is due."""
        return self._poller.next_due_s()

    def feed(self, data: bytes, t_host_s: float) -> list[Event]:
        """Take bytes, return samples. Holds less than one answer between calls."""
        events: list[Event] = []
        for heard in self._poller.feed(data, t_host_s):
            if isinstance(heard, FrameError):
                events.append(heard)
            elif isinstance(heard, Missing):
                events += self._setting(heard.block.name)
            elif heard.block in self._map.first:
                self._settings[heard.block.name] = heard.registers
                events += self._setting(heard.block.name)
            else:
                events += self._measured(heard, t_host_s)
        return events

    def stop_bytes(self) -> bytes:
        """Nothing: the meter only speaks when asked."""
        return b""

    def last_fields(self) -> Mapping[str, FieldValue]:
        """Return what the last answer said beyond voltage, current and power."""
        return self._fields

    def _setting(self, name: str) -> list[Event]:
        self._open.discard(name)
        return [] if self._open else self._introduce()

    def _introduce(self) -> list[Event]:
        """Say who it is, the first time and whenever that changes."""
        identity = self._map.identity(self._settings)
        if identity == self._identity:
            return []
        self._identity = identity
        return [identity]

    def _measured(self, answer: Answer, t_host_s: float) -> list[Event]:
        self._cycle[answer.block.name] = answer.registers
        if answer.block != self._map.cycle[-1]:
            return []
        events = [] if self._identity else self._introduce()
        known, self._cycle = self._settings | self._cycle, {}
        objection = self._map.objection(known)
        if objection:
            return [*events, FrameError("protocol", 1, t_host_s, objection)]
        reading = self._map.reading(known)
        doubt = self._doubt(reading)
        if doubt:
            return [*events, FrameError("implausible", 1, t_host_s, doubt)]
        self._fields = {"modbus_address": answer.address, **reading.fields}
        return [*events, *self._counter_events(reading, t_host_s), self._block(reading, answer.registers, t_host_s)]

    def _doubt(self, reading: Reading) -> str:
        """Say what no such meter can have measured; empty where all is plausible."""
        most_v = _VOLTAGE_MARGIN * self._sheet.max_voltage_v
        most_a = _CURRENT_MARGIN * self._sheet.ranges[-1].max_current_a
        if not (math.isfinite(reading.power_w) and not math.isinf(reading.counter_j)):
            return f"power {reading.power_w} W, energy {reading.counter_j} J"
        if not 0.0 <= reading.voltage_v <= most_v:
            return f"voltage {reading.voltage_v:g} V, the meter ends at {self._sheet.max_voltage_v:g} V"
        if not abs(reading.current_a) <= most_a or abs(reading.power_w) > most_v * most_a:
            most_text = f"the meter ends at {self._sheet.ranges[-1].max_current_a:g} A"
            return f"current {reading.current_a:g} A, power {reading.power_w:g} W, {most_text}"
        return ""

    def _counter_events(self, reading: Reading, t_host_s: float) -> list[Event]:
        before_j = self._counter_j
        if math.isnan(reading.counter_j):
            return []
        self._counter_j = reading.counter_j
        if not reading.counter_j < before_j:
            return []
        detail = (
            f"the meter's energy counter went back from {before_j / 3600.0:.0f} to {reading.counter_j / 3600.0:.0f} Wh"
        )
        return [FrameError("reset", 1, t_host_s, detail)]

    def _block(self, reading: Reading, registers: Registers, t_host_s: float) -> SampleBlock:
        self._last_s = t_s = later_s(t_host_s, self._last_s)
        refresh_s = self._sheet.refresh_interval_s or 0.0
        flags = SampleFlag(0)
        if registers == self._last_registers and t_s - self._fresh_s < refresh_s - MIN_STEP_S:
            flags |= SampleFlag.STALE
        else:
            self._last_registers, self._fresh_s = registers, t_s
        span = self._sheet.ranges[-1 if reading.range_index is None else reading.range_index]
        if abs(reading.current_a) >= span.max_current_a:
            flags |= SampleFlag.SATURATED
        return one_sample(
            t_s,
            voltage_v=reading.voltage_v,
            current_a=reading.current_a,
            power_w=reading.power_w,
            range_index=reading.range_index,
            flags=flags,
            counter_j=reading.counter_j,
        )
