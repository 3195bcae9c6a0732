"""``edgejoule agent bench-all``: which benches, in which order, under which names; each way to get it wrong."""

import json
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.wire.errors import ConfigurationError
from edgejoule.cli import main
from edgejoule.sweep.held import held_record, prepare_folder
from edgejoule.sweep.plan import Factors, SweptModel, is_done, plan_sweep, reasons_against, seconds_left
from edgejoule.sweep.run import Stopper, Sweep, run_sweep
from tests.fakes.agent import agent_toml
from tests.fakes.benches import make_bench

SUFFIXES = {"litert": ".tflite", "onnxruntime": ".onnx"}
NAMES = st.text("abcz_.-/0", min_size=1, max_size=6)
METER = ("--driver", "tc66c", "--port", "/dev/ttyUSB0", "--boundary", "usb_dc")


def model(name: str, suffix: str = ".tflite") -> SweptModel:
    return SweptModel(name, name, (name.encode().hex() + "0" * 64)[:64], suffix)


@given(
    models=st.integers(min_value=1, max_value=4),
    delegates=st.lists(st.sampled_from(["auto", "none", "/lib/a.so", "xnnpack"]), min_size=1, unique=True),
    threads=st.lists(st.integers(min_value=1, max_value=64), min_size=1, max_size=3, unique=True),
    rounds=st.integers(min_value=1, max_value=3),
    seed=st.integers(min_value=0, max_value=9),
)
def test_every_combination_once_a_round_in_an_order_of_its_own(
    models: int, delegates: list[str], threads: list[int], rounds: int, seed: int
) -> None:
    factors = Factors([model(f"m{number}") for number in range(models)], ["litert"], delegates, threads, rounds)
    plan = plan_sweep(factors, SUFFIXES, seed)
    each = models * len(delegates) * len(threads)
    assert len(plan.combinations) == len(set(plan.combinations)) == each * rounds
    for number in range(rounds):
        this_round = plan.combinations[number * each : (number + 1) * each]
        assert {one.round_number for one in this_round} == {number + 1}
    assert len({one.file_name for one in plan.combinations}) == each * rounds
    assert plan == plan_sweep(factors, SUFFIXES, seed)


def test_the_order_mixes_models_and_differs_by_round_and_seed() -> None:
    factors = Factors([model(name) for name in "abcdefgh"], ["litert"], ["none", "auto"], [1, 2], 2)
    plan = plan_sweep(factors, SUFFIXES, 0)
    first, second = ([one.text.partition(", round")[0] for one in part] for part in
                     (plan.combinations[:32], plan.combinations[32:]))  # fmt: skip
    assert sorted(first) == sorted(second)
    assert first != second
    assert first != sorted(first)
    assert plan != plan_sweep(factors, SUFFIXES, 1)


def test_another_file_under_the_same_id_is_another_record() -> None:
    one = SweptModel("a", "a", "1" * 64, ".tflite")
    other = SweptModel("a", "a", "2" * 64, ".tflite")
    plan = plan_sweep(Factors([one, other], ["auto"], ["none"], [1]), SUFFIXES, 0)
    assert len({combination.file_name for combination in plan.combinations}) == 2


@given(NAMES, NAMES)
def test_a_records_name_is_one_file_in_the_folder(given_name: str, delegate: str) -> None:
    (one,) = plan_sweep(Factors([model(given_name)], ["auto"], [delegate], [1]), SUFFIXES, 0).combinations
    assert "/" not in one.file_name
    assert one.file_name.endswith("-1t-r1.json")


def test_what_an_engine_cannot_run_is_left_out_and_said() -> None:
    factors = Factors([model("a"), model("b", ".onnx")], ["litert", "onnxruntime"], ["none"], [1])
    plan = plan_sweep(factors, SUFFIXES, 0)
    assert Counter((one.model.model_id, one.engine) for one in plan.combinations) == {
        ("a", "litert"): 1,
        ("b", "onnxruntime"): 1,
    }
    assert "a with onnxruntime: it runs .onnx files, this is .tflite" in plan.left_out
    assert len(plan.left_out) == 2


def test_a_rejected_bench_is_made_again_and_a_trial_is_not() -> None:
    assert is_done(make_bench(), smoke=False)
    assert not is_done(make_bench(rejections=("the device throttled",)), smoke=False)
    assert not is_done(make_bench(gross=None), smoke=True)
    trial = make_bench(rejections=("smoke run: 4 windows of 1 s",))
    assert not is_done(trial, smoke=False)
    assert is_done(trial, smoke=True)
    both = make_bench(rejections=(*trial.rejections, "the device throttled"))
    assert reasons_against(both, smoke=True) == ["the device throttled"]


def test_the_time_left_is_as_planned_and_then_as_it_was() -> None:
    assert seconds_left(10, 70.0, []) == 700.0
    assert seconds_left(8, 70.0, [60.0, 80.0, 100.0]) == 640.0


def test_a_folder_holds_one_device_at_one_boundary(tmp_path: Path) -> None:
    bench = make_bench()
    path = tmp_path / "one.json"
    path.write_bytes(msgspec.json.encode(bench))
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    prepare_folder(tmp_path, bench.device_id, bench.boundary)
    assert held_record(path) == bench
    assert held_record(tmp_path / "broken.json") is None
    with pytest.raises(ConfigurationError, match=r"one\.json is of pi4-01 at .*and this sweep of pi5 at"):
        prepare_folder(tmp_path, "pi5", bench.boundary)
    with pytest.raises(ConfigurationError, match="name a folder that can be written"):
        prepare_folder(path / "below", bench.device_id, bench.boundary)


def test_a_record_of_another_file_is_not_what_a_sweep_looks_for(tmp_path: Path) -> None:
    (one,) = plan_sweep(Factors([model("a")], ["auto"], ["none"], [1]), SUFFIXES, 0).combinations
    sweep = Sweep((one,), tmp_path, lambda *_: [], 1.0, smoke=False)
    outcomes = []
    for sha256 in ("f" * 64, one.model.sha256):
        bench = make_bench(model_id="a", model_sha256=sha256)
        (tmp_path / one.file_name).write_bytes(msgspec.json.encode(bench))
        (result,) = run_sweep(sweep, Stopper(requests=1), lambda _: None)
        outcomes.append(result.outcome)
    assert outcomes == ["not_tried", "held"]


def test_a_dry_run_says_what_and_how_long(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["agent", "bench-all", *METER, "--out", str(tmp_path / "out"), "--dry-run", "--models", "digits_mlp_int8"]
    assert main([*words, "--threads", "1,2", "--delegates", "none,auto", "--repeat", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["combinations"]) == 8
    assert 8 * 70.0 < found["planned_s"] < 8 * 110.0
    assert main([*words, "--smoke", "--engines", "auto,onnxruntime"]) == 0
    said = capsys.readouterr().out
    assert "digits_mlp_int8, engine auto, delegate auto, 1 thread\n" in said
    assert "left out: digits_mlp_int8 with onnxruntime" in said
    assert not (tmp_path / "out").exists()


def test_a_family_is_every_model_of_it_and_the_default_is_the_whole_catalogue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["agent", "bench-all", "--config", str(agent_toml(tmp_path)), "--out", "out", "--dry-run", "--json"]
    assert main([*words, "--family", "digits_mlp"]) == 0
    family = json.loads(capsys.readouterr().out)["combinations"]
    assert family
    assert all(name.startswith("digits_mlp_") for name in family)
    assert main(words) == 0
    assert set(family) <= set(json.loads(capsys.readouterr().out)["combinations"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--models", "nothing"), "'nothing' is not in the catalog"),
        (("--family", "nothing"), "'nothing' is neither a family nor a model"),
        (("--engines", "tensorrt"), "--engines: 'tensorrt' is not known; use auto or one of: litert"),
        (("--models", "digits_mlp_int8", "--engines", "onnxruntime"), "nothing to bench"),
        (("--threads", "65"), "threads"),
        (("--windows", "2"), "2 windows are too few"),
    ],
)
def test_bad_words_are_one_line(
    words: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["agent", "bench-all", *METER, "--out", str(tmp_path / "out"), *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "words", [("--threads", "0"), ("--threads", "1,,2"), ("--engines", "a,,b"), ("--repeat", "0")]
)
def test_empty_lists_are_refused(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["agent", "bench-all", *METER, "--out", "out", *words])
    assert f"argument {words[0]}" in capsys.readouterr().err


def test_its_help_fits_eighty_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(["agent", "bench-all", "--help"])
    text = capsys.readouterr().out
    assert "--delegates" in text
    assert [line for line in text.splitlines() if len(line) > 80] == []
