"""One bench of one model on this server, from the order to the record."""

import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collector.analysis.cloud_record import CloudBenchRecord
from edge_agent.check_set import CheckSet
from edge_agent.checking import check_set_for, is_much_worse
from edge_agent.device.throttle import ThrottleWatch
from edge_agent.model_catalog import CatalogModel
from edge_agent.service import StopFlag
from edge_agent.wire.errors import ConfigurationError
from edgejoule import __version__
from edgejoule.cloud_bench.batches import CUDA, Engine, Loaded, inputs_for, load, score
from edgejoule.cloud_bench.evaluate import evaluate
from edgejoule.cloud_bench.host import NOWHERE_SAID, Place, host_facts
from edgejoule.cloud_bench.joules import CpuTimeSource, JouleSource, nvml_source, rapl_source
from edgejoule.cloud_bench.measure import Load, Measured, Measurement, Show
from edgejoule.cloud_bench.model import Named, choose, facts_of, known_by, origin_of
from edgejoule.cloud_bench.plan import Plan
from edgejoule.making.cpu_power import CpuPower
from edgejoule.making.instruments import rapl_zones
from edgejoule.onnx_export.names import MADE_FROM_KEY
from firmware_bridge.internal import nvml
from firmware_bridge.internal.nvml import CardFacts

BUSY_CARD_RATIO: Final = 0.02


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be measured. ``gpu``: number of the card, as nvidia-smi counts; None: on the processor.

    ``cpu_power``: watts of a busy thread where the joules are to be modelled, None to measure. ``simulated``: the
    counters are played: the model runs on the processor whatever is watched, and the record says so. ``root``: where
    proc and sys are; ``nvml_library``: NVML.
    """

    named: Named
    plan: Plan
    engine: Engine = "onnxruntime"
    threads: int = 1
    gpu: int | None = None
    cpu_power: CpuPower | None = None
    place: Place = NOWHERE_SAID
    simulated: bool = False
    root: Path = Path("/")
    nvml_library: str = nvml.LIBRARY


def bench(order: Order, show: Show, stop: StopFlag) -> CloudBenchRecord:
    """Measure, and return the record. Raises ConfigurationError, CloudBenchStoppedError, InferenceError."""
    watched = _watched(order)  # first: who cannot measure need not load
    try:
        return _bench(order, watched, show, stop)
    finally:
        watched.close()


def _bench(order: Order, watched: "_Watched", show: Show, stop: StopFlag) -> CloudBenchRecord:
    if watched.facts is not None and not order.simulated:
        os.environ["CUDA_VISIBLE_DEVICES"] = watched.facts.uuid or str(order.gpu)  # CUDA may count otherwise than NVML
    chosen = choose(order.named, order.engine)
    on_card = order.gpu is not None and not order.simulated
    loaded = load(chosen.content, order.engine, order.threads, order.plan.batch_sizes, on_card=on_card)
    made_from = chosen.made_from_sha256 or origin_of(loaded.properties.get(MADE_FROM_KEY, ""))
    known = known_by(made_from, order.named.catalog)
    checks = _check_set(chosen.model, known, loaded)
    quality = score(loaded.single, checks)
    t_start_unix_ns = time.time_ns()
    measured = _measured(order, loaded, checks, watched, show, stop)
    results = evaluate(measured, watched.source.boundary)
    facts = facts_of(chosen.model, known)
    warnings = [*watched.notes, *results.warnings]
    if on_card and loaded.identity.delegate != CUDA:
        warnings.append(
            f"the card runs a part only ({loaded.identity.delegate}): its joules lack the processor's part"
        )
    if watched.source.boundary.method == "rapl" and order.threads < (os.cpu_count() or 1):
        warnings.append(
            f"{order.threads} of {os.cpu_count()} hardware threads ran it: gross joules hold what the others drew"
        )
    if checks is None:
        warnings.append("the inputs are random numbers: there is no score, and energy may depend on the input")
    if is_much_worse(quality, facts.accuracy_ratio):
        warnings.append(f"the model is right for {quality.accuracy_ratio:.1%} of its check set, far less than stated")
    boundary = watched.source.boundary
    return CloudBenchRecord(
        bench_id=f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(4)}",
        t_start_unix_ns=t_start_unix_ns,
        edgejoule_version=__version__,
        model_id=(known or chosen.model).model_id,
        model_sha256=chosen.content.sha256,
        made_from_sha256=made_from,
        input_dtype=str(loaded.single.input_dtype),
        input_shape=loaded.single.input_shape[1:],
        runtime=loaded.identity,
        host=host_facts(order.place, watched.facts, order.gpu),
        method=boundary.method,
        sees=boundary.sees,
        misses=boundary.misses,
        source=boundary.source,
        simulated=order.simulated,
        idle_before=results.idle_before,
        idle_after=results.idle_after,
        batches=results.batches,
        accuracy_ratio=quality.accuracy_ratio,
        accuracy_count=quality.count,
        roc_auc=quality.roc_auc,
        stated_accuracy_ratio=facts.accuracy_ratio,
        seed=order.plan.seed,
        rejections=results.rejections,
        warnings=tuple(warnings),
    )


@dataclass(frozen=True, slots=True)
class _Watched:
    """What watches the joules. ``facts``: of the card, None for the processor."""

    source: JouleSource
    is_too_hot: Callable[[], bool | None]
    facts: CardFacts | None
    close: Callable[[], None]
    notes: tuple[str, ...] = ()


def _watched(order: Order) -> _Watched:
    """Return the best instrument for the order. Raises ConfigurationError where there is none, with the remedy."""
    if order.gpu is not None:
        if order.cpu_power is not None:
            raise ConfigurationError("--gpu and --cpu-watts exclude each other: CPU seconds say nothing of a card")
        return _card(order.gpu, order.nvml_library)
    watch = ThrottleWatch(order.root / "sys")
    source: JouleSource
    if order.cpu_power is not None:
        source = CpuTimeSource(order.cpu_power)
        return _Watched(source, lambda: watch.poll(time.monotonic()), None, watch.close)
    zones, note = rapl_zones(order.root)
    if not zones:
        watch.close()
        raise ConfigurationError(
            f"nothing here measures joules: {note or 'this machine shows no RAPL counters (/sys/class/powercap)'}; "
            "measure on a machine that has them, on a card with --gpu N, or model the joules with --cpu-watts table"
        )
    host = host_facts(order.place, None, None, order.root)
    notes = ("a hypervisor runs this machine: its counters may hold other guests' work too",) if host.virtual else ()
    return _Watched(rapl_source(zones), lambda: watch.poll(time.monotonic()), None, watch.close, notes)


def _card(index: int, library: str) -> _Watched:
    cards = nvml.cards_of(library)
    if not 0 <= index < len(cards):
        there = f"there are {len(cards)}, numbered from 0" if cards else "NVML shows none; is the driver installed?"
        raise ConfigurationError(f"--gpu {index}: no such NVIDIA card: {there}")
    card = cards[index]
    reading = card.read(time.monotonic())
    if reading is None or not reading.rails:
        raise ConfigurationError(f"--gpu {index}: NVML has no power of this card; model it in the scenario instead")
    busy_ratio = card.busy_ratio()
    notes = (
        (f"the card was busy for {busy_ratio:.0%} of the time before the bench began: its joules hold other work",)
        if busy_ratio is not None and busy_ratio > BUSY_CARD_RATIO
        else ()
    )
    facts = card.facts()
    source = nvml_source(card, facts.title, has_counter=reading.rails[0].energy_j is not None)
    return _Watched(source, card.is_too_hot, facts, lambda: None, notes)


def _check_set(model: CatalogModel, known: CatalogModel | None, loaded: Loaded) -> CheckSet | None:
    """Return held-out inputs, None where none come along."""
    owner = model if model.check_set is not None or known is None else known
    return None if owner.check_set is None else check_set_for(owner, loaded.single)


def _measured(
    order: Order, loaded: Loaded, checks: CheckSet | None, watched: _Watched, show: Show, stop: StopFlag
) -> Measured:
    sizes = order.plan.batch_sizes
    inputs = {size: inputs_for(checks, loaded.single, size) for size in sizes}
    with watched.source as source:
        one = Measurement(
            Load(dict(loaded.runners), dict(inputs)), order.plan, source, is_too_hot=watched.is_too_hot, show=show
        )
        return one.run(stop)
