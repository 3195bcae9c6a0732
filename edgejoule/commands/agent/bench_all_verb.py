"""``edgejoule agent bench-all``: a bench of every combination of models, engines, delegates and threads."""

import argparse
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console, stdout_console, write_json
from edgejoule.signals import handled

if TYPE_CHECKING:
    from edge_agent.bench_app import Order
    from edgejoule.sweep.plan import Combination, SweepPlan
    from edgejoule.sweep.run import Outcome, Result, Stand, Stopper

START_S: Final = 3.0
"""What a process takes to start, find its meter and end, about."""
_FORWARDED: Final = (
    *("config", "driver", "port", "boundary", "meter_id", "device_id", "windows", "seconds", "baseline", "warm_up"),
    *("align", "state_dir"),
)


def run(arguments: argparse.Namespace) -> int:
    """Bench all of it, and say what became of each. Raises ConfigurationError before the first one."""
    from edgejoule.sweep.run import Stopper

    stopper = Stopper()
    with (
        handled((signal.SIGINT,), lambda *_: _ask(stopper)),
        handled((signal.SIGTERM,), lambda *_: stopper.request(at_once=True)),
    ):
        return _run(arguments, stopper)


def _ask(stopper: "Stopper") -> None:
    stopper.request()
    if stopper.requests == 1:
        stderr_console().print("stopping after this bench; Ctrl-C again stops at once", markup=False)


def _run(arguments: argparse.Namespace, stopper: "Stopper") -> int:
    from edge_agent.bench_app import plan_of
    from edgejoule.sweep.held import prepare_folder
    from edgejoule.sweep.run import Sweep, run_sweep

    plan, order = _plan(arguments)
    _, bench_plan = plan_of(order)
    one_s = sum(phase.seconds for phase in bench_plan.phases()) + START_S
    config = order.config
    if arguments.dry_run:
        _say_plan(plan, one_s, as_json=arguments.json)
        return EXIT_DONE
    prepare_folder(arguments.out, config.device.id, config.meter.boundary)
    sweep = Sweep(
        combinations=plan.combinations,
        folder=arguments.out,
        words_of=lambda one, path: _words(arguments, one, path),
        planned_s=one_s,
        smoke=arguments.smoke,
    )
    results = run_sweep(sweep, stopper, _shower())
    if arguments.json:
        write_json({"results": results, "left_out": plan.left_out})
    else:
        _say(results, plan, arguments.out)
    return EXIT_DONE if all(one.outcome in {"held", "valid"} for one in results) else EXIT_NO


def _plan(arguments: argparse.Namespace) -> "tuple[SweepPlan, Order]":
    """Return the sweep and the order of one of its benches. Raises ConfigurationError for what cannot be."""
    from edge_agent.bench_app import plan_of
    from edge_agent.inference.registry import ENGINES
    from edge_agent.wire.errors import ConfigurationError
    from edgejoule.sweep.plan import Factors, SweptModel, plan_sweep

    suffixes = {engine.name: engine.suffix for engine in ENGINES}
    unknown = [name for name in arguments.engines if name not in {"auto", *suffixes}]
    if unknown:
        known = ", ".join(suffixes)
        raise ConfigurationError(f"--engines: {unknown[0]!r} is not known; use auto or one of: {known}")
    models: list[SweptModel] = []
    for given in _models(arguments):
        order = _order(arguments, given)
        prepared, _ = plan_of(order)
        model = prepared.model
        models.append(SweptModel(given, model.model_id, model.sha256, model.path.suffix.lower()))
    factors = Factors(models, arguments.engines, arguments.delegates, arguments.threads, arguments.repeat)
    plan = plan_sweep(factors, suffixes, arguments.seed)
    if not plan.combinations:
        raise ConfigurationError(f"nothing to bench: {'; '.join(plan.left_out)}; name other models or engines")
    return plan, order


def _models(arguments: argparse.Namespace) -> list[str]:
    """Return the models that are named, as ``agent bench`` takes them: of the catalogue all, if none are."""
    from edge_agent.config import load_config
    from edge_agent.model_catalog import models_dir
    from edge_agent.wire.errors import ConfigurationError
    from edgejoule.zoo.catalog_file import find_family, read_catalog

    named = list(dict.fromkeys(arguments.models or ()))
    if named and not arguments.family:
        return named
    own = load_config(arguments.config).model.catalog if arguments.config is not None else ""
    directory = Path(own) if own else models_dir()
    catalog = read_catalog(directory)
    if not arguments.family:
        of_catalog = [entry.id for entry in catalog.model]
    else:
        families = [find_family(directory, name).id for name in arguments.family]
        of_catalog = [entry.id for family in families for entry in catalog.members(family)]
    if not of_catalog:
        raise ConfigurationError(f"{directory}: no model to bench; name one with --models")
    return list(dict.fromkeys([*named, *of_catalog]))


def _order(arguments: argparse.Namespace, model: str) -> "Order":
    from edgejoule.commands.agent.bench_order import order_of

    rest = {"model": model, "check_set": None, "engine": None, "delegate": None}
    threads = max(arguments.threads)  # the most are checked here, the others with them
    return order_of(argparse.Namespace(**{**vars(arguments), **rest, "threads": threads}))


def _words(arguments: argparse.Namespace, one: "Combination", path: Path) -> list[str]:
    """Return the words of ``edgejoule`` that make one bench."""
    words = ["agent", "bench", one.model.given, "--engine", one.engine, "--delegate", one.delegate]
    words += ["--threads", str(one.threads), "--json", str(path), "--force"]
    for name in _FORWARDED:
        value: Any = getattr(arguments, name)
        if value not in {None, ""}:
            words += [f"--{name.replace('_', '-')}", str(value)]
    for key, value in arguments.option:
        words += ["--option", f"{key}={value}"]
    words += [flag for flag, on in (("--smoke", arguments.smoke), ("--no-publish", arguments.no_publish)) if on]
    return words


def _shower() -> "Callable[[Stand], None]":
    """Return what shows how far a sweep is: a line for each bench, on a terminal its phase too."""
    console = stderr_console()
    shown: list[Combination] = []

    def show(stand: "Stand") -> None:
        if stand.combination not in shown[-1:]:
            shown.append(stand.combination)
            number = f"bench {stand.done + 1} of {stand.total}"
            line = f"{number}, about {_span(stand.left_s)} left: {stand.combination.text}"
            console.print(line, markup=False, soft_wrap=True)
        elif console.is_terminal and not console.is_dumb_terminal and stand.phase:
            console.print(f"  {stand.phase:<60.60}", end="\r", markup=False)

    return show


def _span(seconds: float) -> str:
    from collector.numbers import span

    return span(seconds).replace("\N{NO-BREAK SPACE}", " ")


def _say_plan(plan: "SweepPlan", one_s: float, *, as_json: bool) -> None:
    total_s = len(plan.combinations) * one_s
    names = [one.text for one in plan.combinations]
    if as_json:
        write_json({"combinations": names, "left_out": plan.left_out, "planned_s": total_s})
        return
    console = stdout_console()
    for name in names:
        console.print(name, markup=False, soft_wrap=True)
    for reason in plan.left_out:
        console.print(f"left out: {reason}", markup=False, soft_wrap=True)
    benches = "1 bench" if len(names) == 1 else f"{len(names)} benches"
    console.print(f"{benches} of about {_span(one_s)} each: {_span(total_s)}", markup=False)


def _say(results: "Sequence[Result]", plan: "SweepPlan", folder: Path) -> None:
    """Print how many came to what, then each one that did not become valid."""
    console = stdout_console()
    counts = Counter(one.outcome for one in results)
    words: dict[Outcome, str] = {
        "valid": "benched, valid",
        "held": "held already",
        "rejected": "rejected",
        "failed": "failed",
        "not_tried": "not tried",
    }
    told = ", ".join(f"{counts[outcome]} {word}" for outcome, word in words.items() if counts[outcome])
    console.print(f"{len(results)} benches: {told}", markup=False, soft_wrap=True)
    for one in results:
        if one.reason:
            console.print(f"{one.outcome}: {one.combination}: {one.reason}", markup=False, soft_wrap=True)
    for reason in plan.left_out:
        console.print(f"left out: {reason}", markup=False, soft_wrap=True)
    if any(one.outcome not in {"held", "valid"} for one in results):
        console.print("the same command again benches what is not valid yet", markup=False)
    console.print(f"next: edgejoule models ledger --records {folder}", markup=False, soft_wrap=True)
