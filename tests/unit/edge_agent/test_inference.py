from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.checking import Quality, check_set_for, quality_of, tensors_of
from edge_agent.file_content import FileContent
from edge_agent.inference import litert, tflite_runtime
from edge_agent.inference.delegates import describe, operators_taken
from edge_agent.inference.registry import Engine, load_runner
from edge_agent.inference.runner import InferenceRunner, RunSettings
from edge_agent.inference.tflite_file import State, read_state
from edge_agent.inference_loop import InferenceLoop
from edge_agent.model_catalog import CatalogModel, find_model
from edge_agent.wire.errors import ConfigurationError
from edge_agent.workload import Run
from tests.fakes.tiny_models import FOLDER, MODELS

MODEL = find_model("digits_mlp_int8")


@pytest.fixture(scope="module")
def runner() -> InferenceRunner:
    return load_runner(MODEL.path)


def node(name: str, inputs: list[int], outputs: list[int]) -> dict[str, Any]:
    return {"op_name": name, "inputs": np.array(inputs), "outputs": np.array(outputs)}


def test_the_shipped_model_is_as_accurate_here_as_its_card_says(runner: InferenceRunner) -> None:
    check_set = check_set_for(MODEL, runner)
    found = quality_of(runner, tensors_of(check_set, runner), check_set)
    assert found.accuracy_ratio == pytest.approx(MODEL.facts.accuracy_ratio, abs=0.005)


@pytest.mark.parametrize(
    ("operators", "expected"),
    [
        ([node("ADD", [0], [1]), node("MUL", [1], [2])], (0, 2)),
        ([node("ADD", [0], [1]), node("MUL", [1], [2]), node("DELEGATE", [0], [2])], (2, 2)),
        ([node("ADD", [0], [1]), node("ODD", [1], [2]), node("DELEGATE", [0], [1])], (1, 2)),
        (
            [
                node("ADD", [0], [1]),
                node("ODD", [1], [2]),
                node("MUL", [2, 9], [3]),
                node("DELEGATE", [0], [1]),
                node("DELEGATE", [2, 9], [3]),
            ],
            (2, 3),
        ),
    ],
)
def test_what_the_default_delegate_took_is_found_from_its_edges(
    operators: list[dict[str, Any]], expected: tuple[int, int]
) -> None:
    before = [one for one in operators if one["op_name"] != "DELEGATE"]
    assert operators_taken(before, operators) == (0, *expected)


def test_an_external_delegate_is_told_from_the_default_one_by_when_it_came() -> None:
    model = [node("ADD", [0], [1]), node("MUL", [1], [2]), node("ODD", [2], [3])]
    first, second = node("DELEGATE", [0], [1]), node("DELEGATE", [1], [2])
    assert operators_taken([*model, first], [*model, first, second]) == (1, 1, 3)
    assert operators_taken([*model, first, second], [*model, first, second]) == (2, 0, 3)


def test_an_operator_without_output_went_where_what_it_stores_stays() -> None:
    """READ_VARIABLE, ADD and ASSIGN_VARIABLE: the sum also leaves, the handle does not."""
    model = [node("HANDLE", [], [1]), node("READ", [1], [2]), node("ADD", [0, 2], [3]), node("ASSIGN", [1, 3], [])]
    whole, without = node("DELEGATE", [0], [3]), node("DELEGATE", [0, 2], [3])
    assert operators_taken(model, [*model, whole]) == (0, 4, 4)
    assert operators_taken(model, [*model, without]) == (0, 1, 4)


@pytest.mark.parametrize(
    ("external", "xnnpack", "said"),
    [
        (0, 0, "none"),
        (0, 12, "xnnpack"),
        (0, 9, "xnnpack 9/12 ops"),
        (12, 0, "libedgetpu.so.1"),
        (9, 0, "libedgetpu.so.1 9/12 ops"),
        (9, 3, "libedgetpu.so.1 9/12 ops + xnnpack 3/12 ops"),
    ],
)
def test_the_identity_says_who_took_how_much(external: int, xnnpack: int, said: str) -> None:
    assert describe(external, xnnpack, 12, "/usr/lib/libedgetpu.so.1") == said


def test_every_model_s_state_is_read_from_its_file() -> None:
    folder = Path(__file__).parents[2] / "data" / "models"
    found = {path.stem: read_state(path.read_bytes()) for path in folder.glob("*.tflite")}
    assert found == {
        "accumulator": State.RESOURCES,
        "last_three": State.TENSORS,
        "pick": State.NONE,
        "add_multiply_add": State.NONE,
        "single_add": State.NONE,
    }
    assert read_state(MODEL.path.read_bytes()) is State.NONE


def test_a_model_file_that_was_cut_anywhere_is_never_handed_on() -> None:
    """An engine would read past its end; tflite-runtime dies of it."""
    whole = MODEL.path.read_bytes()
    for size in (*range(0, 3000, 7), *range(3000, len(whole), 499), len(whole) - 4):
        with pytest.raises(ValueError, match=r"cut short|does not begin"):
            read_state(whole[:size])


@given(st.binary(max_size=200), st.integers(0, 300))
def test_damage_to_a_model_file_is_a_value_error_or_goes_unseen(junk: bytes, at: int) -> None:
    whole = MODEL.path.read_bytes()
    with suppress(ValueError):
        assert read_state(whole[:at] + junk + whole[at + len(junk) :]) in State


def test_the_test_models_are_what_their_builder_builds() -> None:
    for name, build in MODELS.items():
        assert (FOLDER / f"{name}.tflite").read_bytes() == build(), f"python -m tests.fakes.tiny_models ({name})"


def test_the_first_engine_that_can_be_imported_runs_the_model(runner: InferenceRunner) -> None:
    def absent(_model: FileContent, _settings: RunSettings) -> InferenceRunner:
        raise ImportError("No module named 'absent'")

    def here(_model: FileContent, _settings: RunSettings) -> InferenceRunner:
        return runner

    engines = (Engine("a", "a-dist", absent), Engine("b", "b-dist", here))
    assert load_runner(MODEL.path, engines=engines) is runner
    with pytest.raises(ConfigurationError, match=r"a-dist: No module named 'absent'; install"):
        load_runner(MODEL.path, engine="a", engines=engines)
    with pytest.raises(ConfigurationError, match=r"'c' is not known; use auto or one of: a, b"):
        load_runner(MODEL.path, engine="c", engines=engines)


def test_the_older_runtime_says_which_numpy_it_needs() -> None:
    with pytest.raises(ConfigurationError, match=r"2\.14\.0 works with NumPy 1 only, and NumPy 2\.4\.6.*numpy<2"):
        tflite_runtime.check_numpy("2.4.6", "2.14.0")
    tflite_runtime.check_numpy("1.26.4", "2.14.0")


def test_an_engine_that_is_not_installed_is_an_import_error_for_the_registry() -> None:
    with pytest.raises(ConfigurationError, match=r"tflite-runtime: .*edgejoule\[agent\]"):
        load_runner(MODEL.path, engine="tflite-runtime")


def test_the_ending_of_the_file_chooses_among_engines(runner: InferenceRunner, tmp_path: Path) -> None:
    tried: list[str] = []

    def engine(name: str, suffix: str, extra: str) -> Engine:
        def load(_model: FileContent, _settings: RunSettings) -> InferenceRunner:
            tried.append(name)
            raise ImportError(f"no {name}")

        return Engine(name, f"{name}-dist", load, suffix, extra)

    engines = (engine("a", ".tflite", "one"), engine("b", ".tflite", "one"), engine("c", ".onnx", "two"))
    for name in ("m.tflite", "m.ONNX", "m.bin", "m"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ConfigurationError, match=r"a-dist: no a; b-dist: no b; .*edgejoule\[one\]"):
        load_runner(tmp_path / "m.tflite", engines=engines)
    with pytest.raises(ConfigurationError, match=r"c-dist: no c; .*edgejoule\[two\]"):
        load_runner(tmp_path / "m.ONNX", engines=engines)
    assert tried == ["a", "b", "c"]
    with pytest.raises(
        ConfigurationError, match=r"m\.bin: no engine .* end in '\.bin'; .* \.onnx or \.tflite, or name"
    ):
        load_runner(tmp_path / "m.bin", engines=engines)
    with pytest.raises(ConfigurationError, match=r"a-dist: no a"):
        load_runner(tmp_path / "m", engine="a", engines=engines)
    with pytest.raises(ConfigurationError, match=r"'c' runs \.onnx files; .* engine = 'a' or 'auto'"):
        load_runner(tmp_path / "m.tflite", engine="c", engines=engines)


def test_how_to_run_reaches_the_engine(runner: InferenceRunner) -> None:
    seen: list[RunSettings] = []

    def load(_model: FileContent, settings: RunSettings) -> InferenceRunner:
        seen.append(settings)
        return runner

    only = (Engine("a", "a-dist", load),)
    load_runner(MODEL.path, threads=3, delegate="lib.so", delegate_options={"device": "usb:0"}, engines=only)
    load_runner(MODEL.path, engines=only)
    assert seen == [RunSettings(3, "lib.so", {"device": "usb:0"}), RunSettings(1, "auto", {})]


def test_a_c_library_that_is_too_old_is_named_with_what_to_do() -> None:
    said = "/lib/aarch64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by _pywrap.so)"
    reason = litert.import_reason(said, "2.3.0", "aarch64", "2.31")
    assert reason.startswith("LiteRT 2.3.0 for aarch64 needs a newer C library than glibc 2.31")
    assert "GLIBC_2.34" in reason
    assert "pip install 'ai-edge-litert==2.1.0', or use a newer system" in reason
    newer = litert.import_reason("libstdc++.so.6: version `GLIBCXX_3.4.30' not found", "2.3.0", "aarch64", "")
    assert "ai-edge-litert==2.1.0" in newer
    assert litert.import_reason("No module named 'x'", "2.3.0", "aarch64", "2.31") == "No module named 'x'"


def test_a_check_set_of_another_model_is_refused(runner: InferenceRunner, tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", x=np.zeros((3, 65), np.int8))
    model = CatalogModel(
        model_id="own", path=MODEL.path, sha256=MODEL.sha256, task="", check_set=tmp_path / "other.npz"
    )
    with pytest.raises(ConfigurationError, match=r"other\.npz: x is int8 \(3, 65\)"):
        check_set_for(model, runner)


def test_without_a_check_set_the_inputs_are_random_and_always_the_same(runner: InferenceRunner) -> None:
    model = CatalogModel(model_id="own", path=MODEL.path, sha256=MODEL.sha256, task="", check_set=None)
    one, other = check_set_for(model, runner), check_set_for(model, runner)
    assert np.array_equal(one.x, other.x)
    assert one.x.shape == (64, *runner.input_shape)
    assert one.x.min() == -128
    assert one.x.max() == 127
    assert quality_of(runner, tensors_of(one, runner), one) == Quality()


def test_the_loop_takes_inputs_in_turn_and_stops_at_time_or_count() -> None:
    seen: list[int] = []

    class Counting:
        def infer(self, tensor: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            seen.append(int(tensor[0]))
            return tensor

    ticks = iter(range(100))
    loop = InferenceLoop(
        Counting(),  # type: ignore[arg-type]  # the loop only infers
        [np.array([0]), np.array([1]), np.array([2])],
        lambda: float(next(ticks)),
    )
    assert loop.run(Run(1e9, 4)).ends_s == [1.0, 2.0, 3.0, 4.0]
    burst = loop.run(Run(7.0))
    assert (burst.t_begin_s, burst.ends_s) == (5.0, [6.0, 7.0])
    assert loop.run(Run(0.0)).ends_s == [9.0]
    assert seen == [0, 1, 2, 0, 1, 2, 0]
