"""What the page is told: the latest answers, each device with the version in which it changed last."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from collector.carbon.factors import Factor
from collector.figures import Figures
from collector.web.live.answers import (
    AccountAnswer,
    ChangesAnswer,
    DeviceAnswer,
    FleetAnswer,
    IntensityAnswer,
    LedgerAnswer,
    LedgerTotals,
    SinkAnswer,
)

Key = tuple[str, str]
_LEDGER: Final = tuple(name for name in LedgerTotals.__struct_fields__ if name != "adds_up")
_PATIENCE_S: Final = 60.0


class Details(NamedTuple):
    """What only a whole answer has."""

    factors: Sequence[Factor]
    notes: Sequence[str]
    intensities: Sequence[IntensityAnswer]


class Moment(NamedTuple):
    """All that is known at one moment. ``devices``: those that may have changed.

    ``details`` is only asked for a whole answer, by any thread.
    """

    t_unix_ns: int
    since_unix_ns: int | None
    total: AccountAnswer
    devices: Mapping[Key, DeviceAnswer]
    figures: Figures
    details: Callable[[], Details]


class NotReadyError(Exception):
    """There is nothing to say yet, or no more."""


class LiveState:
    """Keeps the last moment. One thread puts, any thread asks; ``on_news`` is called after each change."""

    def __init__(self, title: str, report: str | None = None) -> None:
        self._title = title or "edgejoule"
        self._report = report
        self._changed = threading.Condition()
        self._ended = False
        self._version = 0
        self._puts = 0
        self._moment: Moment | None = None
        self._devices: dict[Key, DeviceAnswer] = {}
        self._changed_at: dict[Key, int] = {}
        self._ledger: LedgerTotals | None = None
        self._whole: tuple[int, bytes] | None = None
        self.on_news: Callable[[], None] = lambda: None

    @property
    def version(self) -> int:
        """Return a number that grows with every change."""
        return self._version

    @property
    def puts(self) -> int:
        """Return how many moments were put."""
        return self._puts

    def put(self, moment: Moment) -> bool:
        """Take a newer moment; return whether anything changed."""
        ledger = _ledger_totals(moment.figures)
        with self._changed:
            before = self._moment
            changed = [key for key, device in moment.devices.items() if self._devices.get(key) != device]
            news = bool(changed) or before is None or before.total != moment.total or self._ledger != ledger
            self._version += news
            self._moment, self._ledger, self._whole = moment, ledger, None
            for key in changed:
                self._devices[key] = moment.devices[key]
                self._changed_at[key] = self._version
            self._puts += 1
            self._changed.notify_all()
        if news:
            self.on_news()
        return news

    def wait_for_put(self, after: int) -> None:
        """Return when another moment than the first ``after`` was put. Raises NotReadyError if that takes too long."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._ended or self._puts > after, _PATIENCE_S) or self._ended:
                raise NotReadyError

    def end(self) -> None:
        """Let go whoever waits."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def snapshot(self) -> tuple[int, bytes]:
        """Return everything as JSON, and its version. Raises NotReadyError."""
        self.wait_for_put(0)
        with self._changed:
            moment, version, whole = self._moment, self._version, self._whole
            devices = tuple(self._devices[key] for key in sorted(self._devices))
        assert moment is not None, "something was put"
        if whole is None:
            whole = version, msgspec.json.encode(self._answer(moment, devices))
            with self._changed:
                if self._moment is moment:
                    self._whole = whole
        return whole

    def changes(self, since: int) -> tuple[int, bytes]:
        """Return what changed after version ``since`` as JSON, and the version that it leads to."""
        self.wait_for_put(0)
        with self._changed:
            moment, version, ledger = self._moment, self._version, self._ledger
            changed = [self._devices[key] for key, at in self._changed_at.items() if at > since]
        assert moment is not None, "something was put"
        assert ledger is not None, "it comes with a moment"
        answer = ChangesAnswer(
            t_unix_ns=moment.t_unix_ns,
            total=moment.total,
            devices=tuple(changed),
            ledger=ledger,
            simulated=moment.total.simulated_windows > 0,
        )
        return version, msgspec.json.encode(answer)

    def _answer(self, moment: Moment, devices: tuple[DeviceAnswer, ...]) -> FleetAnswer:
        figures, details = moment.figures, moment.details()
        totals = msgspec.structs.asdict(_ledger_totals(figures))
        return FleetAnswer(
            t_unix_ns=moment.t_unix_ns,
            since_unix_ns=moment.since_unix_ns,
            simulated=moment.total.simulated_windows > 0,
            title=self._title,
            total=moment.total,
            devices=devices,
            ledger=LedgerAnswer(**totals, devices=figures.ledger.devices),
            factors=tuple(details.factors),
            notes=tuple(details.notes),
            sinks=tuple(SinkAnswer(*sink) for sink in figures.sinks),
            dead_letters={str(kind): count for kind, count in figures.letters.items()},
            intensities=tuple(details.intensities),
            report=self._report,
        )


def _ledger_totals(figures: Figures) -> LedgerTotals:
    total = figures.ledger.total
    return LedgerTotals(**{name: getattr(total, name) for name in _LEDGER}, adds_up=figures.ledger.adds_up)
