"""What an inference and a making take, in every drawn world: measured by benches, else modelled and said so.

A model's joules without a bench are its latency on this repository's benchmark machine times the watts of one busy
hardware thread by ``edgejoule/making/cpu_power.toml``, times what its own kernels draw of these (``KERNELS``). A
making that was counted in CPU seconds rests on the same watts: one cause, so that their ratio is surer than either.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from collector.carbon.estimate import F64, Estimate
from collector.carbon.factors import Factor
from collector.carbon.montecarlo import Draws
from edgejoule.compute_ledger.values import Ledger
from edgejoule.making.cpu_power import CpuPower, power_of
from edgejoule.zoo.entry import Development, ModelEntry
from edgejoule.zoo.latency import Latency, usual_latency

Origin = Literal["measured", "simulated", "modelled"]
_P5 = 0.05
_SAME = 1e-6
_TINY_J = 1e-15
_ASSUMED = "assumption: no counter has measured it"
KERNELS: Final = Factor(
    id="kernel-watts",
    name="watts of one model's kernels, by those of any busy thread; drawn for each file",
    estimate=Estimate(1.0, 0.8, 1.25, "ratio", _ASSUMED),
    scope="modelled joules per inference; also what a latency is off by when it is measured again",
    source=_ASSUMED,
    licence="own judgement",
    vintage="2026",
    method="assumption",
    label="modelled, not measured",
)
"""Without it files that take the same time within one per cent would be told apart with certainty."""


@dataclass(frozen=True, slots=True)
class Joules:
    """Joules of one thing: ``value_j``, and what moves it.

    ``watts``: the factor that it is proportional to; ``kernels``: the file that runs, whose kernels draw their own
    part of these watts, "" for none. ``own_u_j``: error of its own under ``own_cause``, ``shared_j``: what one
    standard deviation of each shared cause does to it.
    """

    value_j: float
    origin: Origin
    text: str
    watts: Factor | None = None
    kernels: str = ""
    own_cause: str = ""
    own_u_j: float = 0.0
    shared_j: Mapping[str, float] = field(default_factory=dict)

    def drawn_j(self, draws: Draws) -> F64:
        """Return it in every world, shape ``(draws,)``; joules are above zero, however unsure."""
        if self.watts is not None:
            middle_w = self.watts.estimate.value
            drawn = self.value_j / middle_w * draws.of(self.watts.id, self.watts.estimate)
            if self.kernels:
                drawn = drawn * draws.of(f"{KERNELS.id} of {self.kernels}", KERNELS.estimate)
            return np.asarray(drawn, dtype=np.float64)
        found = np.full(draws.count, self.value_j)
        if self.own_u_j > 0.0:
            found = found + self.own_u_j * draws.normal(self.own_cause)
        for cause, effect_j in self.shared_j.items():
            found = found + effect_j * draws.normal(cause)
        return np.asarray(np.maximum(found, _TINY_J), dtype=np.float64)


def deployments(
    models: Iterable[ModelEntry], latencies: Sequence[Latency], ledger: Ledger | None, *, net: bool = False
) -> dict[str, Joules]:
    """Return joules per inference by model id: of ``ledger`` where there are benches, else modelled.

    Of several settings of one file the one with the least joules counts. Who is not known is not in it.
    """
    found: dict[str, Joules] = {}
    for model in models:
        one = _modelled(model, latencies) if ledger is None else _benched(model, ledger, net=net)
        if one is not None:
            found[model.id] = one
    return found


def making(family: str, made: Development) -> Joules:
    """Return what one run of a family's recipe took."""
    row = power_of(made.processor)
    if made.method == "cpu_time" and math.isclose(made.cpu_s * row.power_w, made.development_energy_j, rel_tol=_SAME):
        return Joules(made.development_energy_j, "modelled", made.boundary, watts=watts_factor(row))
    origin: Origin = "modelled" if made.modelled else "measured"
    return Joules(
        made.development_energy_j, origin, made.boundary, own_cause=f"making of {family}",
        own_u_j=made.development_energy_u_j,
    )  # fmt: skip


def watts_factor(row: CpuPower) -> Factor:
    """Return the watts of a busy hardware thread as a factor: P5 and P95 of what lies evenly between the limits."""
    wide = row.high_w - row.low_w
    estimate = Estimate(row.power_w, row.low_w + _P5 * wide, row.high_w - _P5 * wide, "W", row.source)
    return Factor(
        id=f"busy-thread {row.pattern}",
        name=f"power of one busy hardware thread ({row.pattern})",
        estimate=estimate,
        scope="a server's processor, its memory and its part of the machine",
        source=row.source,
        licence="cited fact",
        vintage=row.vintage,
        method=row.basis,
        label="modelled, not measured",
    )


def _modelled(model: ModelEntry, latencies: Sequence[Latency]) -> Joules | None:
    usual = usual_latency(model, latencies)
    if usual is None:
        return None
    row = power_of(usual.processor)
    latency_s = usual.p50_us * 1e-6
    text = f"{usual.p50_us:g} us on one thread of {usual.processor} ({usual.runtime} {usual.version}), times watts"
    return Joules(latency_s * row.power_w, "modelled", text, watts=watts_factor(row), kernels=model.id)


def _benched(model: ModelEntry, ledger: Ledger, *, net: bool) -> Joules | None:
    known = [(one.net if net else one.gross, one) for one in ledger.rows if one.model_sha256 == model.sha256]
    usable = [(energy, row) for energy, row in known if energy is not None and energy.value_j > 0.0]
    if not usable:
        return None
    energy, row = min(usable, key=lambda pair: pair[0].value_j)
    return Joules(
        energy.value_j,
        "simulated" if ledger.simulated else "measured",
        f"{'net' if net else 'gross'}, {row.runtime} {row.runtime_version}, {row.delegate}, {row.threads} thread(s)",
        own_cause=f"bench of {' '.join(row.bench_ids)}",
        own_u_j=energy.own_u_j,
        shared_j=energy.shared_j,
    )
