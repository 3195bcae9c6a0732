"""What is known of every model that a device runs, a bench measured, or the inventory tells the making of."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from collector.carbon.development import Development
from collector.carbon.operational import CarbonIntensity
from collector.journal import Journal
from collector.liveness import liveness
from collector.model_row import ModelRow, developments
from collector.sinks.points import ModelInfoPoint
from edge_agent.wire.records import BenchRecord, Birth

_PAGE_BENCHES: Final = 100


class _Facts(NamedTuple):
    """What a model's catalogue says, as a birth or a bench tells it."""

    macs: int | None
    parameters: int | None
    size_bytes: int | None
    accuracy_ratio: float | None


_NOTHING: Final = _Facts(None, None, None, None)


class ModelGauge:
    """See the module's text. Each bench is read once, so it remembers what they said; not for several threads.

    ``yearly``: a zone's yearly average intensity, for the making. Raises ConfigurationError for a zone without one.
    """

    def __init__(
        self, rows: Iterable[ModelRow], yearly: Callable[[str], CarbonIntensity | None], where: str = "inventory"
    ) -> None:
        self.made: dict[str, Development] = {one.model_id: one for one in developments(rows, yearly, where)}
        self._benched: dict[str, tuple[int, _Facts]] = {}
        self._bench_row_id = 0

    def points(self, journal: Journal, now_unix_ns: int, collector: str = "") -> list[ModelInfoPoint]:
        """Return one point for each model. Raises sqlite3.Error.

        Of births and benches that say different things of one model, the latest counts.
        """
        self._read_benches(journal)
        latest = dict(self._benched)
        running: Counter[str] = Counter()
        with journal.snapshot() as db:
            states = journal.devices()
            rows = db.execute("SELECT fleet, device_id, received_unix_ns FROM births").fetchall()
        received = {(fleet, device_id): unix_ns for fleet, device_id, unix_ns in rows}
        for state in states:
            birth = state.birth
            if birth is not None:
                running[birth.model_id] += liveness(state, now_unix_ns) == "online"
                came_unix_ns = received.get((state.fleet, state.device_id), 0)
                _keep_latest(latest, birth.model_id, came_unix_ns, _facts(birth))
        names = sorted(latest.keys() | running.keys() | self.made.keys())
        return [self._point(name, latest.get(name, (0, _NOTHING))[1], running[name], collector) for name in names]

    def _point(self, name: str, facts: _Facts, devices: int, collector: str) -> ModelInfoPoint:
        made = self.made.get(name)
        energy_j = None if made is None else made.energy_j()
        return ModelInfoPoint(
            model=name,
            collector=collector,
            macs=facts.macs,
            parameters=facts.parameters,
            size_bytes=facts.size_bytes,
            accuracy_ratio=facts.accuracy_ratio,
            development_energy_j=None if energy_j is None else energy_j.value,
            development_gco2e=None if made is None else made.whole_gco2e().value,
            lifetime_inferences=None if made is None else made.lifetime_inferences,
            devices=devices,
        )

    def _read_benches(self, journal: Journal) -> None:
        while rows := journal.benches_after(self._bench_row_id, _PAGE_BENCHES):
            for row in rows:
                _keep_latest(self._benched, row.bench.model_id, row.received_unix_ns, _facts(row.bench))
            self._bench_row_id = rows[-1].row_id


def _facts(said: Birth | BenchRecord) -> _Facts:
    return _Facts(said.model_macs, said.model_parameters, said.model_bytes, said.model_accuracy_ratio)


def _keep_latest(latest: dict[str, tuple[int, _Facts]], name: str, t_unix_ns: int, facts: _Facts) -> None:
    """Keep the facts under ``name`` unless a later word is there; an agent that says nothing changes nothing."""
    known = latest.get(name, (0, _NOTHING))
    if facts != _NOTHING and (t_unix_ns >= known[0] or known[1] == _NOTHING):
        latest[name] = t_unix_ns, facts
    else:
        latest.setdefault(name, known)
