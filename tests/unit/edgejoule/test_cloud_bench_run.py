"""A server's bench with real counters' files and a real driver's interface, both played; the engines are real."""

import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from onnx import helper

from edge_agent.bench.progress import Progress
from edge_agent.file_content import read_content
from edge_agent.inference.runner import Tensor
from edge_agent.model_catalog import find_model
from edge_agent.service import StopFlag
from edge_agent.wire.errors import ConfigurationError
from edgejoule.cloud_bench.app import Order, bench
from edgejoule.cloud_bench.batches import inputs_for, load
from edgejoule.cloud_bench.evaluate import evaluate
from edgejoule.cloud_bench.joules import Boundary, CpuTimeSource, Mark, rapl_source
from edgejoule.cloud_bench.measure import CloudBenchStoppedError, Load, Measurement
from edgejoule.cloud_bench.model import Named, choose
from edgejoule.cloud_bench.plan import Plan
from edgejoule.making.cpu_power import CpuPower
from edgejoule.making.instruments import rapl_zones
from tests.fakes import onnx_models
from tests.unit.edgejoule.test_making_rapl import Zone

MODELS = Path(__file__).parents[2] / "data" / "models"
SHORT = Plan(batch_sizes=(1, 16), windows=4, window_s=0.05, lead_s=0.0, idle_s=0.0, warm_up_s=0.0)
DIGITS = Named("digits_mlp_float32")
WATTS = CpuPower(pattern="", low_w=2.0, high_w=4.0, source="a test", vintage="", basis="a test")
CARD_W = 100


def quietly(_: Progress) -> None:
    """Show nothing."""


def never() -> bool | None:
    return None


class Drawing:
    """Draws so many joules from each zone for each input that it is given."""

    def __init__(self, zones: dict[Zone, float]) -> None:
        self._zones = zones

    def __call__(self, batch: Tensor) -> Tensor:
        for zone, per_input_j in self._zones.items():
            zone.draw(per_input_j * len(batch))
        return batch


def measured_by_rapl(root: Path, zones: dict[Zone, float], plan: Plan) -> Any:
    runner = Drawing(zones)
    batches = {size: [np.zeros((size, 1), np.float32)] for size in plan.batch_sizes}
    found, note = rapl_zones(root)
    assert note == ""
    with rapl_source(found) as source:
        one = Measurement(
            Load(dict.fromkeys(plan.batch_sizes, runner), dict(batches)), plan, source, is_too_hot=never, show=quietly
        )
        return evaluate(one.run(StopFlag()), source.boundary)


def test_rapl_packages_are_added_up_and_a_counter_may_wrap(tmp_path: Path) -> None:
    """Each input costs 0.75 mJ; the second counter begins 9 mJ before its end."""
    zones = {Zone(tmp_path, 0, "package-0"): 0.0005, Zone(tmp_path, 1, "package-1", first_j=262_143.32): 0.00025}
    results = measured_by_rapl(tmp_path, zones, SHORT)
    assert [one.batch_size for one in results.batches] == [1, 16]
    assert sum(one.inferences for one in results.batches) * 0.00025 > 0.009
    for batch in results.batches:
        assert batch.gross.value_j == pytest.approx(0.00075, rel=1e-3)
        assert batch.net is None


def test_idle_is_measured_where_counters_show_it(tmp_path: Path) -> None:
    zone = Zone(tmp_path, 0, "psys")
    results = measured_by_rapl(tmp_path, {zone: 0.0005}, replace(SHORT, batch_sizes=(4,), idle_s=0.1))
    assert results.idle_before is not None
    assert results.idle_before.power_w == 0.0
    assert results.batches[0].net is not None
    assert results.batches[0].net.value_j == pytest.approx(0.0005, rel=1e-3)


class Marks:
    """A source that draws nothing and notes when it was asked."""

    def __init__(self) -> None:
        self.boundary = Boundary("nvml", "a", "b", "c", limit_ratio=0.05, sees_idle=True)
        self.asked_s: list[float] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def mark(self) -> Mark:
        self.asked_s.append(time.monotonic())
        return Mark(self.asked_s[-1], 0.0, 0.0, 0.0)


def test_idle_is_not_asked_for_before_what_ran_has_died_down() -> None:
    """Both idle times have six marks, at begin and end of five parts, and a window two."""
    plan, ended_s = replace(SHORT, batch_sizes=(1,), window_s=0.01, idle_s=0.05, lead_s=0.1), [0.0]

    def runner(batch: Tensor) -> Tensor:
        ended_s.append(time.monotonic())
        return batch

    inputs = {1: [np.zeros((1, 1), np.float32)]}
    source = Marks()
    Measurement(Load({1: runner}, dict(inputs)), plan, source, is_too_hot=never, show=quietly).run(StopFlag())
    assert len(source.asked_s) == 6 + 4 * 2 + 6
    assert source.asked_s[0] - ended_s[1] >= 0.1
    assert source.asked_s[-6] - ended_s[-1] >= 0.1


def test_counters_that_stand_still_are_no_figure(tmp_path: Path) -> None:
    results = measured_by_rapl(tmp_path, {Zone(tmp_path, 0, "package-0"): 0.0}, SHORT)
    assert "stands still" in results.rejections[0]


def test_cpu_seconds_are_modelled_joules() -> None:
    used = iter(float(step) for step in range(1000))
    with CpuTimeSource(WATTS, lambda: next(used)) as source:
        first, last = source.mark(), source.mark()
    assert last.energy_j - first.energy_j == pytest.approx(3.0)
    assert source.boundary.limit_ratio == pytest.approx(1.0 / 3.0)
    assert "MODELLED, not measured" in source.boundary.sees


@pytest.mark.parametrize(
    ("model_id", "engine"),
    [
        ("ds_cnn_float32", "onnxruntime"),
        ("ds_cnn_float32", "litert"),
        ("ds_cnn_int8", "litert"),
        ("digits_mlp_int8", "onnxruntime"),
    ],
)
def test_a_batch_is_answered_as_its_inputs_alone(model_id: str, engine: Any) -> None:
    content = choose(Named(model_id), engine).content
    loaded = load(content, engine, 1, (1, 5), on_card=False)
    for batch in inputs_for(None, loaded.single, 5):
        together = loaded.runners[5](batch)
        alone = np.concatenate([loaded.single.infer(batch[at : at + 1]) for at in range(5)])
        assert together.shape == alone.shape
        assert np.max(np.abs(together.astype(float) - alone)) <= (1e-5 if batch.dtype.kind == "f" else 1.0)


def test_a_modelled_bench_is_a_whole_record() -> None:
    record = bench(Order(DIGITS, SHORT, cpu_power=WATTS), quietly, StopFlag())
    assert (record.origin, record.model_id) == ("modelled", "digits_mlp_float32")
    assert record.made_from_sha256 == find_model("digits_mlp_float32").sha256
    assert record.accuracy_ratio == pytest.approx(record.stated_accuracy_ratio, abs=0.02)
    assert record.accuracy_count == 450
    assert (record.idle_before, record.idle_after, record.batches[0].net) == (None, None, None)
    for batch in record.batches:
        assert batch.gross.value_j == pytest.approx(3.0 * batch.cpu_s_per_inference, rel=0.5)
        assert 0.0 < batch.latency_p50_s <= batch.latency_p95_s


def test_an_exported_file_is_known_by_what_it_was_made_from(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(choose(DIGITS, "onnxruntime").content.data)
    record = bench(Order(Named(str(path)), SHORT, cpu_power=WATTS), quietly, StopFlag())
    assert (record.model_id, record.accuracy_count) == ("digits_mlp_float32", 450)
    assert record.model_sha256 == read_content(path).sha256


def test_a_file_of_ones_own_has_random_inputs_and_no_score(tmp_path: Path) -> None:
    path = onnx_models.perceptron(tmp_path / "my model.onnx")
    record = bench(Order(Named(str(path)), SHORT, cpu_power=WATTS), quietly, StopFlag())
    assert (record.model_id, record.made_from_sha256, record.accuracy_ratio) == ("my_model", None, None)
    assert any("random numbers" in text for text in record.warnings)


def test_a_bench_that_is_stopped_has_no_record() -> None:
    stop = StopFlag()
    stop.request()
    with pytest.raises(CloudBenchStoppedError):
        bench(Order(DIGITS, SHORT, cpu_power=WATTS), quietly, stop)


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (Order(DIGITS, SHORT), "no RAPL counters.*--gpu N.*--cpu-watts table"),
        (Order(DIGITS, SHORT, gpu=0, nvml_library="libnowhere.so"), "--gpu 0: no such NVIDIA card: NVML shows none"),
        (Order(DIGITS, SHORT, gpu=0, cpu_power=WATTS), "exclude each other"),
        (Order(Named("nowhere.onnx"), SHORT, cpu_power=WATTS), "cannot read the model"),
        (Order(Named("./folder/model"), SHORT, cpu_power=WATTS), "ends in .onnx or .tflite"),
        (Order(replace(DIGITS, check_set=Path("x.npz")), SHORT, cpu_power=WATTS), "--check-set is for a model file"),
        (Order(Named("ds_cnn_dynamic_range"), SHORT, cpu_power=WATTS), "precision is dynamic_range"),
        (
            Order(Named(str(MODELS / "accumulator.tflite")), SHORT, engine="litert", cpu_power=WATTS),
            "keeps a state",
        ),
    ],
)
def test_what_cannot_be_measured_is_told_in_one_line(tmp_path: Path, order: Order, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as no:
        bench(replace(order, root=tmp_path), quietly, StopFlag())
    assert "\n" not in str(no.value)


def test_packages_of_which_some_cannot_be_read_are_no_whole(tmp_path: Path) -> None:
    zones = [Zone(tmp_path, 0, "package-0"), Zone(tmp_path, 1, "package-1")]
    zones[1].close()
    with pytest.raises(ConfigurationError, match="only some packages' energy counters can be read"):
        bench(Order(DIGITS, SHORT, root=tmp_path), quietly, StopFlag())
    psys = Zone(tmp_path, 2, "psys")
    assert list(rapl_zones(tmp_path)[0]) == ["psys"]
    psys.close()
    assert rapl_zones(tmp_path)[0] == {}


def test_inputs_that_do_not_fit_into_memory_are_told_before_they_are_made() -> None:
    runner = load(choose(DIGITS, "onnxruntime").content, "onnxruntime", 1, (1,), on_card=False).single
    with pytest.raises(ConfigurationError, match=r"--batches: .* GB, and .* GB of memory are free"):
        inputs_for(None, runner, 10**12)


def test_answers_that_are_not_one_for_each_input_are_told(tmp_path: Path) -> None:
    mean = helper.make_node("ReduceMean", ["x"], ["y"], axes=[0])
    ends = [onnx_models.floats("x", ("n", 3))], [onnx_models.floats("y", (1, 3))]
    path = onnx_models.save(tmp_path / "mean.onnx", [mean], {}, *ends)
    with pytest.raises(ConfigurationError, match="its first size is no batch"):
        load(read_content(path), "onnxruntime", 1, (1, 2), on_card=False)
    assert load(read_content(path), "onnxruntime", 1, (1,), on_card=False).runners


def test_threads_that_wait_are_told_of_in_gross_joules(tmp_path: Path) -> None:
    Zone(tmp_path, 0, "package-0")
    record = bench(Order(DIGITS, SHORT, root=tmp_path), quietly, StopFlag())
    said = any("hardware threads ran it: gross joules hold what the others drew" in one for one in record.warnings)
    assert said is ((os.cpu_count() or 1) > 1)


def test_counters_that_only_root_may_read_are_named(tmp_path: Path) -> None:
    Zone(tmp_path, 0, "package-0").close()
    with pytest.raises(ConfigurationError, match="run as root, or add a udev rule"):
        bench(Order(DIGITS, SHORT, root=tmp_path), quietly, StopFlag())


def test_a_batch_that_a_file_does_not_take_is_told(tmp_path: Path) -> None:
    path = onnx_models.perceptron(tmp_path / "p.onnx", (1, 3))
    with pytest.raises(ConfigurationError, match="its batch is fixed at 1"):
        load(read_content(path), "onnxruntime", 1, (1, 8), on_card=False)
    assert load(read_content(path), "onnxruntime", 1, (1,), on_card=False).runners
    with pytest.raises(ConfigurationError, match=r"LiteRT runs \.tflite files"):
        choose(Named(str(path)), "litert")


def test_without_the_package_for_cuda_a_card_is_refused() -> None:
    if "CUDAExecutionProvider" in pytest.importorskip("onnxruntime").get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    content = choose(DIGITS, "onnxruntime").content
    with pytest.raises(ConfigurationError, match=r"--gpu: this onnxruntime .* has no CUDA: .*onnxruntime-gpu"):
        load(content, "onnxruntime", 1, (1,), on_card=True)


def test_a_card_is_not_watched_while_litert_runs_on_the_processor() -> None:
    with pytest.raises(ConfigurationError, match="--engine litert runs on the processor"):
        load(choose(DIGITS, "litert").content, "litert", 1, (1,), on_card=True)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("nvml")
    source = Path(__file__).parents[2] / "fakes" / "nvml.c"

    def make(*flags: str) -> str:
        library = folder / f"{'-'.join(flag.strip('-') for flag in flags) or 'plain'}" / "libnvidia-ml.so.1"
        if not library.exists():
            library.parent.mkdir()
            words = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", f"-DPOWER_MW={CARD_W * 1000}u"]
            if not any(flag.startswith("-DBUSY") for flag in flags):
                words.append("-DBUSY_PERCENT=0")
            compiler = shutil.which("gcc")
            assert compiler is not None
            subprocess.run([compiler, *words, *flags, "-o", library, source], check=True, timeout=60)
        return str(library)

    return make


@pytest.mark.compiler
@pytest.mark.parametrize("flags", [(), ("-DNO_COUNTER",)])
def test_a_cards_joules_are_its_power_times_time(compiled: Any, flags: tuple[str, ...]) -> None:
    plan = replace(SHORT, window_s=0.15, idle_s=0.25, batch_sizes=(16,))
    order = Order(DIGITS, plan, gpu=0, simulated=True, nvml_library=compiled(*flags))
    record = bench(order, quietly, StopFlag())
    assert (record.origin, record.method) == ("simulated", "nvml")
    assert (record.host.accelerator, record.host.driver_version) == ("Played Card", "550.1")
    assert (record.host.accelerator_index, record.host.power_limit_w) == (0, 2.0 * CARD_W)
    assert ("power sensor" in record.sees) == bool(flags)
    assert "the host" in record.misses
    assert record.idle is not None
    (batch,) = record.batches
    true_j = CARD_W * batch.busy_s_per_inference
    off_ratio = 0.1 if flags else 0.7  # a counter that moves every 0.1 s misses up to 0.1 s of 0.15 s
    assert record.idle.power_w == pytest.approx(CARD_W, rel=off_ratio)
    assert batch.gross.value_j == pytest.approx(true_j, rel=off_ratio)
    steps_ratio = 0.0 if flags else 0.1 * np.sqrt(4) / np.sqrt(6.0) / batch.duration_s
    assert batch.gross.u_j >= 0.99 * steps_ratio * batch.gross.value_j
    assert batch.net is not None
    assert abs(batch.net.value_j) < 2.0 * off_ratio * true_j
    assert not any("stands still" in text or "saw less" in text for text in record.rejections)


@pytest.mark.compiler
def test_a_card_that_others_use_or_that_is_hot_is_told(compiled: Any) -> None:
    order = Order(DIGITS, SHORT, gpu=0, simulated=True, nvml_library=compiled("-DBUSY_PERCENT=40", "-DHOT"))
    record = bench(order, quietly, StopFlag())
    assert any("busy for 40% of the time before" in text for text in record.warnings)
    assert any("heat slowed the machine in 8 of 8 windows" in text for text in record.warnings)
    with pytest.raises(ConfigurationError, match="--gpu 1: no such NVIDIA card: there are 1, numbered from 0"):
        bench(replace(order, gpu=1), quietly, StopFlag())


@pytest.mark.gpu
def test_a_real_card_is_measured() -> None:
    if "CUDAExecutionProvider" not in pytest.importorskip("onnxruntime").get_available_providers():
        pytest.skip("onnxruntime here is not the one for GPUs (onnxruntime-gpu)")
    plan = Plan(batch_sizes=(1, 256), windows=4, window_s=1.0, idle_s=2.0, warm_up_s=1.0)
    record = bench(Order(Named("resnet8_float32"), plan, gpu=0), quietly, StopFlag())
    assert (record.origin, record.method) == ("measured", "nvml")
    assert "CUDAExecutionProvider" in record.runtime.delegate
    assert all(batch.gross.value_j > 0.0 for batch in record.batches)
