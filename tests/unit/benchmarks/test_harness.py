"""The benchmark harness, on a clock that only moves when a benchmark says so."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.harness import REGISTRY, Comparison, Measurement, benchmark, chosen, compare, result_of
from edgejoule.output import EXIT_USAGE


class ManualClock:
    """Seconds that pass only when ``spend`` says so."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.calls: list[str] = []

    def __call__(self) -> float:
        return self.now_s

    def spend(self, name: str, seconds: float) -> None:
        self.calls.append(name)
        self.now_s += seconds


def _pair(clock: ManualClock, ours_s: float, other_s: float, operations: int = 1) -> Comparison:
    return Comparison(
        name="a pair",
        ours=lambda: clock.spend("ours", ours_s),
        other=lambda: clock.spend("other", other_s),
        other_name="plain",
        kind="floor",
        operations=operations,
    )


def test_the_ratio_and_the_time_of_one_operation() -> None:
    clock = ManualClock()

    result = compare("file.function", _pair(clock, 0.03, 0.01, 10), rounds=5, least_s=0.02, clock=clock)

    assert result.ratio_min == pytest.approx(3.0)
    assert result.ratio_median == pytest.approx(3.0)
    assert result.ratio_max == pytest.approx(3.0)
    assert result.ours_s == pytest.approx(0.003)
    assert result.other_s == pytest.approx(0.001)
    assert result.rounds == 5


def test_a_side_that_drifts_shows_in_minimum_and_maximum() -> None:
    clock = ManualClock()
    times_s = iter([1.0, 1.0, 2.0, 1.0, 4.0])
    comparison = Comparison(
        name="drifts",
        ours=lambda: clock.spend("ours", next(times_s)),
        other=lambda: clock.spend("other", 1.0),
        other_name="steady",
        kind="peer",
    )

    result = compare("file.function", comparison, rounds=3, least_s=0.5, clock=clock)

    assert (result.ratio_min, result.ratio_median, result.ratio_max) == (1.0, 2.0, 4.0)


def test_sides_take_turns_in_going_first() -> None:
    clock = ManualClock()

    compare("file.function", _pair(clock, 1.0, 1.0), rounds=3, least_s=0.5, clock=clock)

    assert clock.calls[-6:] == ["ours", "other", "other", "ours", "ours", "other"]


def test_quick_things_are_called_until_the_time_can_be_trusted() -> None:
    clock = ManualClock()

    compare("file.function", _pair(clock, 0.001, 0.04), rounds=1, least_s=0.02, clock=clock)

    assert clock.calls[-21:] == ["ours"] * 20 + ["other"]


def test_a_budget_stands_in_for_the_other_side() -> None:
    clock = ManualClock()
    comparison = Comparison(
        name="real time", ours=lambda: clock.spend("ours", 0.5), budget_s=2.0, other_name="real time", kind="budget"
    )

    result = compare("file.function", comparison, rounds=3, least_s=0.1, clock=clock)

    assert result.ratio_median == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("kind", "budget_s", "with_other"), [("floor", None, False), ("budget", 1.0, True), ("floor", 1.0, False)]
)
def test_a_comparison_has_exactly_one_other_side(kind: str, budget_s: float | None, *, with_other: bool) -> None:
    with pytest.raises(ValueError, match="either other, or budget_s"):
        Comparison(
            name="x",
            ours=int,
            other=int if with_other else None,
            budget_s=budget_s,
            other_name="y",
            kind=kind,  # type: ignore[arg-type]  # what a careless caller may write
        )


@pytest.fixture
def planted() -> Iterator[str]:
    """Register a benchmark for one test."""

    @benchmark
    def quick() -> Iterator[Comparison]:
        yield Comparison(name="quick", ours=int, other=int, other_name="itself", kind="peer")

    (name,) = [known for known, make in REGISTRY.items() if make is quick]
    yield name
    del REGISTRY[name]


def test_what_a_benchmark_measured_itself_is_shown_in_its_unit() -> None:
    seconds = Measurement(
        name="share", ours=[0.03, 0.02, 0.05], other=[1.0, 1.0, 1.0], other_name="time", kind="floor"
    )
    memory = Measurement(name="held", ours=[66e6], other=[60e6], other_name="early", kind="floor", unit="bytes")

    share, held = result_of("file.function", seconds), result_of("file.function", memory)

    assert (share.ratio_min, share.ratio_median, share.ratio_max) == (0.02, 0.03, 0.05)
    assert (share.ours_s, share.ours_bytes) == (0.03, None)
    assert held.ratio_median == pytest.approx(1.1)
    assert (held.ours_s, held.ours_bytes, held.other_bytes) == (None, 66e6, 60e6)
    assert command.shown(held.ours_s, held.ours_bytes, held.ours_hz) == "66 MB"


def test_a_rate_is_shown_as_one_and_an_unknown_meter_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    woken = result_of(
        "f.g", Measurement(name="n", ours=[271.0], other=[96.0], other_name="alone", kind="floor", unit="hz")
    )
    assert command.shown(woken.ours_s, woken.ours_bytes, woken.ours_hz) == "271 /s"
    assert command.main(["metering_cost", "--meters", "ppk2,abacus"]) == EXIT_USAGE
    assert "no meter is named abacus" in capsys.readouterr().err


@pytest.mark.parametrize(("limit_ratio", "code"), [(None, 0), (2.0, 0), (0.4, 1)])
def test_a_promise_that_is_not_kept_is_exit_1(
    limit_ratio: float | None, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    @benchmark
    def promised() -> Iterator[Measurement]:
        yield Measurement(name="it", ours=[1.0], other=[2.0], other_name="x", kind="floor", limit_ratio=limit_ratio)

    (name,) = [known for known, make in REGISTRY.items() if make is promised]
    try:
        assert command.main([name]) == code
    finally:
        del REGISTRY[name]
    assert ("it: 0.5, not the promised 0.4" in capsys.readouterr().err) == bool(code)


def test_names_choose_by_file_or_function(planted: str) -> None:
    file, _, function = planted.partition(".")

    assert list(chosen([file])) == [planted]
    assert list(chosen([function[:8]])) == [planted]
    assert planted in chosen([])
    with pytest.raises(LookupError, match="no benchmark is named 'nonsense'"):
        chosen(["nonsense"])


def test_the_command_writes_a_table_and_figures(
    planted: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "made" / "figures.json"

    assert command.main([planted, "--rounds", "2", "--json", str(file)]) == 0

    assert "peer: itself" in capsys.readouterr().out
    document = json.loads(file.read_text(encoding="utf-8"))
    assert [result["name"] for result in document["results"]] == ["quick"]
    assert document["results"][0]["ratio_median"] > 0


def test_an_unknown_name_is_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["nonsense"]) == 2
    assert "no benchmark is named 'nonsense'" in capsys.readouterr().err


def test_times_have_units_that_people_read() -> None:
    shown = [command.shown_time(seconds) for seconds in (2.0, 0.0012, 3.4e-6, 5e-9, 1e-12)]

    assert shown == ["2 s", "1.2 ms", "3.4 µs", "5 ns", "0.001 ns"]
