"""What the page is told: the latest answers, each device with the version in which it changed last."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from collector.carbon.factors import Factor
from collector.figures import Figures
from collector.web.live import answers
from collector.web.live.answers import AccountAnswer, ChangesAnswer, DeviceAnswer, FleetAnswer, LedgerTotals

Key = tuple[str, str]
_LEDGER = LedgerTotals.__struct_fields__[:-1]


class Moment(NamedTuple):
    """All that is known at one moment. ``devices``: those that may have changed, or all."""

    t_unix_ns: int
    since_unix_ns: int | None
    total: AccountAnswer
    devices: Mapping[Key, DeviceAnswer]
    figures: Figures
    factors: Sequence[Factor]
    notes: Sequence[str]
    intensities: Sequence[answers.IntensityAnswer]


class LiveState:
    """Keeps the last moment. One thread puts, any thread asks; ``on_news`` is called after each change."""

    def __init__(self, title: str, report: str | None = None) -> None:
        self._title = title
        self._report = report
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._version = 0
        self._moment: Moment | None = None
        self._devices: dict[Key, DeviceAnswer] = {}
        self._changed_at: dict[Key, int] = {}
        self._ledger: LedgerTotals | None = None
        self.on_news: Callable[[], None] = lambda: None

    @property
    def version(self) -> int:
        """Return a number that grows with every change."""
        return self._version

    def put(self, moment: Moment) -> bool:
        """Take a newer moment; return whether anything changed."""
        ledger = _ledger_totals(moment.figures)
        with self._lock:
            before = self._moment
            changed = [key for key, device in moment.devices.items() if self._devices.get(key) != device]
            news = bool(changed) or before is None or before.total != moment.total or self._ledger != ledger
            version = self._version + news
            self._moment, self._ledger = moment, ledger
            for key in changed:
                self._devices[key] = moment.devices[key]
                self._changed_at[key] = version
            self._version = version
        self._ready.set()
        if news:
            self.on_news()
        return news

    def snapshot(self) -> tuple[int, bytes]:
        """Return everything as JSON, and its version. Waits for the first moment, where there is none yet."""
        self._ready.wait()
        with self._lock:
            moment, version = self._moment, self._version
            devices = tuple(self._devices[key] for key in sorted(self._devices))
        assert moment is not None, "the event is set after the first moment"
        return version, msgspec.json.encode(self._whole(moment, devices))

    def changes(self, since: int) -> tuple[int, bytes]:
        """Return what changed after version ``since`` as JSON, and the version that it leads to."""
        self._ready.wait()
        with self._lock:
            moment, version, ledger = self._moment, self._version, self._ledger
            changed = [self._devices[key] for key, at in self._changed_at.items() if at > since]
        assert moment is not None, "the event is set after the first moment"
        assert ledger is not None, "it comes with the first moment"
        answer = ChangesAnswer(
            t_unix_ns=moment.t_unix_ns,
            total=moment.total,
            devices=tuple(changed),
            ledger=ledger,
            simulated=moment.total.simulated_windows > 0,
        )
        return version, msgspec.json.encode(answer)

    def knows(self, fleet: str, device_id: str) -> bool:
        """Return whether the device was ever heard of."""
        self._ready.wait()
        return (fleet, device_id) in self._devices

    def end(self) -> None:
        """Let go whoever waits for a first moment that does not come."""
        self._ready.set()

    def _whole(self, moment: Moment, devices: tuple[DeviceAnswer, ...]) -> FleetAnswer:
        figures = moment.figures
        totals = msgspec.structs.asdict(_ledger_totals(figures))
        return FleetAnswer(
            t_unix_ns=moment.t_unix_ns,
            since_unix_ns=moment.since_unix_ns,
            simulated=moment.total.simulated_windows > 0,
            title=self._title,
            total=moment.total,
            devices=devices,
            ledger=answers.LedgerAnswer(**totals, devices=figures.ledger.devices),
            factors=tuple(moment.factors),
            notes=tuple(moment.notes),
            sinks=tuple(answers.SinkAnswer(*sink) for sink in figures.sinks),
            dead_letters={str(kind): count for kind, count in figures.letters.items()},
            intensities=tuple(moment.intensities),
            report=self._report,
        )


def _ledger_totals(figures: Figures) -> LedgerTotals:
    total = figures.ledger.total
    return LedgerTotals(**{name: getattr(total, name) for name in _LEDGER}, adds_up=figures.ledger.adds_up)
