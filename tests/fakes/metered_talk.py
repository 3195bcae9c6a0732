"""A conversation with an emulated meter whose samples become energy, beside the energy that was really drawn."""

from collections import Counter

import numpy as np

from firmware_bridge.driver import DataSheet, MeterDriver, OptionValue
from firmware_bridge.energy import energy_between, energy_limits_j
from firmware_bridge.samples import F64, EnergyDelta, SampleBlock
from firmware_bridge.timeline import Timeline
from tests.fakes.damage import BadLine
from tests.fakes.meter_talk import Conversation, Load, levels_a

SAMPLES_A_READ = 8
SLOW_S = 0.02


def is_slow(sheet: DataSheet) -> bool:
    """Does each sample come by itself, when it is asked for or every second, and not in a stream?"""
    return sheet.clock == "host_arrival" or sheet.sample_interval_s > SLOW_S


def full_scale_w(sheet: DataSheet) -> float:
    return sheet.max_voltage_v * sheet.ranges[-1].max_current_a


def quiet_options(driver: MeterDriver) -> dict[str, OptionValue]:
    """The options that make an emulated meter free of noise."""
    return {name: 0.0 for name in driver.options if name.startswith("noise")}


class SquareLoad:
    """Two levels in turn, ``half_s`` each; one level for ever where that is None. Knows its energy exactly."""

    def __init__(self, sheet: DataSheet, half_s: float | None) -> None:
        self.voltage_v = sheet.nominal_voltage_v
        self._low_a, steady_a, self._high_a = levels_a(sheet)
        if half_s is None:
            self._low_a = self._high_a = steady_a
        self._half_s = half_s

    @property
    def step_w(self) -> float:
        return (self._high_a - self._low_a) * self.voltage_v

    @property
    def most_w(self) -> float:
        return self._high_a * self.voltage_v

    def __call__(self, t_s: F64) -> tuple[F64, F64]:
        voltage_v = np.full(len(t_s), self.voltage_v)
        if self._half_s is None:
            return voltage_v, np.full(len(t_s), self._high_a)
        high = np.floor((t_s - 1e-9) / self._half_s) % 2 == 1
        return voltage_v, np.where(high, self._high_a, self._low_a)

    def steps_until(self, t_s: float) -> int:
        return 0 if self._half_s is None else int(t_s / self._half_s) + 1

    def energy_j(self, t_s: float) -> float:
        """Joules drawn from time zero."""
        if self._half_s is None:
            return self.most_w * t_s
        turns, rest_s = divmod(t_s, 2 * self._half_s)
        high_s = turns * self._half_s + max(rest_s - self._half_s, 0.0)
        return self.voltage_v * (self._high_a * high_s + self._low_a * (t_s - high_s))


class MeteredTalk:
    """Reads of a few samples over a line that damages them; each sample is integrated as it comes."""

    def __init__(
        self,
        driver: MeterDriver,
        line: BadLine,
        half_intervals: float | None = None,
        *,
        seed: int = 1,
        ticks_a_sample: int = 4,
    ) -> None:
        self.sheet = sheet = driver.data_sheet
        self.line = line
        self.load = SquareLoad(sheet, half_intervals and half_intervals * sheet.max_interval_s)
        self.talk = Conversation(driver, quiet_options(driver), seed=seed, line=line)
        self.timeline = Timeline(sheet)
        self.errors: Counter[str] = Counter()
        self.samples = 0
        self._ticks_a_sample = ticks_a_sample
        self._taken = 0
        self._began_s: float | None = None

    def start(self) -> None:
        """Talk over a good line until samples come, then go on in small reads."""
        slow = is_slow(self.sheet)
        if slow:
            self.talk.tick_s = self.sheet.sample_interval_s / self._ticks_a_sample
        while self._began_s is None:
            assert self.talk.t_s < 4.0 + 4.0 * self.sheet.sample_interval_s, "no sample came"
            self.tick()
        if not slow:
            self.talk.tick_s = SAMPLES_A_READ * self.sheet.sample_interval_s

    def tick(self, load: Load | None = None) -> int:
        """Go on for one tick; return how many samples came."""
        self.talk.run(self.talk.tick_s, load or self.load)
        now_s = self.talk.began_s + self.talk.t_s
        events = self.talk.decoded.events[self._taken :]
        self._taken += len(events)
        self.timeline.take(events, now_s, self.errors)
        count = sum(len(event) for event in events if isinstance(event, SampleBlock))
        if count and self._began_s is None:
            self._begin()
        self.samples += count
        return count

    def damage(self, hits: int) -> None:
        """Go on over a bad line until so many reads are damaged."""
        self.line.on = True
        target = self.line.hits + hits
        while self.line.hits < target:
            self.tick()
        self.line.on = False

    def recover(self) -> None:
        """Go on over a good line until samples have come again for a while."""
        good, limit_s = 0, self.talk.t_s + 10.0 + 20.0 * self.sheet.sample_interval_s
        while good < 4:
            assert self.talk.t_s < limit_s, f"no samples come any more after damage: {self.errors}"
            good += self.tick() > 0

    def delta(self) -> EnergyDelta:
        """What the meter says of the time since its first sample."""
        first = self.timeline.first()
        assert first is not None
        return energy_between(first, self.timeline.latest())

    def true_j(self) -> float:
        """What was drawn from the first sample to the last one."""
        assert self._began_s is not None
        end_s = self._measured_s
        if self.sheet.clock == "host_arrival":
            end_s = self.timeline.latest().t_device_s - self.talk.began_s
        return self.load.energy_j(end_s) - self.load.energy_j(self._began_s)

    def check_energy(self, unseen_j: float = 0.0) -> None:
        """Assert that the truth lies within what the register states, give or take the display's steps.

        A meter whose registers change now and then is late at both ends of the span: two steps of the load for the
        time between two of its measurements. The emulator's samples blur each step a little. ``unseen_j``: what
        damage that the format cannot show may have done.
        """
        delta = self.delta()
        assert delta.energy_j > 0.0
        assert min(delta.gap_s, delta.covered_s, delta.gap_bound_j) >= 0.0
        low_j, high_j = energy_limits_j(delta, self.sheet)
        late_s = (
            2.0 * (self.sheet.refresh_interval_s or 0.0)
            + 2.0 * self.load.steps_until(self.talk.t_s) * self.talk.sample_s
        )
        slack_j = 1.01 * delta.resolution_j + late_s * self.load.step_w + unseen_j
        true_j = self.true_j()
        assert low_j - slack_j <= true_j <= high_j + slack_j, (
            f"{low_j:.9g} to {high_j:.9g} J +- {slack_j:.3g} J, truth {true_j:.9g} J; {dict(self.errors)} {delta}"
        )

    @property
    def _measured_s(self) -> float:
        """Until when a meter with a clock of its own has measured: its last whole sample."""
        return self.talk.samples * self.talk.sample_s

    def _begin(self) -> None:
        first = self.timeline.first()
        assert first is not None
        if self.sheet.clock == "host_arrival":
            self._began_s = first.t_device_s - self.talk.began_s
        else:
            self._began_s = self._measured_s - (self.timeline.latest().t_device_s - first.t_device_s)
