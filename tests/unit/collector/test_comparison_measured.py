from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from collector.analysis.cloud_record import CloudIdle
from collector.analysis.comparison.fleet_measurements import fleet_measurements
from collector.analysis.comparison.problem import Column, Pair
from collector.analysis.comparison.sources import Measured, Sources, Wanted
from collector.assessment.assess import Stored
from collector.config import journal_path
from collector.journal import Journal
from edge_agent.wire import codec
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.benches import make_bench
from tests.fakes.cloud_records import make_batch, make_record, write
from tests.fakes.scenarios import Gone, problem
from tests.fakes.two_months import FEBRUARY, JANUARY, fleet_rows, hours, write_lake
from tests.fakes.windows import JETSON, MODEL_ID, PI4
from tests.fakes.windows import make_batch as make_window_batch

NOT_STATED = {
    "edge.j_per_inference": Gone,
    "edge.j_per_inference_u": Gone,
    "edge.time_per_inference_s": Gone,
    "edge.idle_power_w": Gone,
    "edge.accuracy_ratio": Gone,
    "edge.latency_s": Gone,
}
BY_BENCH = NOT_STATED | {"edge.bench": "bench.json"}
BY_DEVICE = NOT_STATED | {"edge.device_id": "pi4-01"}
NOT_STATED_CLOUD = {
    "cloud.time_per_inference_s": Gone,
    "cloud.idle_power_w": Gone,
    "cloud.max_power_w": Gone,
    "cloud.bench": "cloud.json",
    "cloud.batch": 8,
}


def range_of(column: Column | None) -> tuple[float, float, float]:
    assert column is not None
    (factor,) = column.factors
    return factor.estimate.range


def bench(tmp_path: Path, **changes: Any) -> Path:
    (tmp_path / "bench.json").write_bytes(codec.encode(make_bench(**changes)))
    return tmp_path


def edge_of(folder: Path, changes: dict[str, Any], sources: Sources | None = None) -> Pair:
    (pair,) = problem(changes, folder=folder, sources=sources).pairs
    return pair


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """Return four days of two months, and an hour of another model, of which half was not seen."""
    seen = {"gap_s": 1800.0, "energy_j": PI4.power_w * 1800.0, "model_id": "other"}
    rows = fleet_rows(4) + hours(PI4, FEBRUARY.replace(day=20), 1, 50_000, **seen)
    return Sources(measured=fleet_measurements(Stored(lake=write_lake(tmp_path_factory.mktemp("lake"), rows))))


def ask(sources: Sources, wanted: Wanted) -> Measured:
    assert sources.measured is not None
    return sources.measured(wanted)


def test_a_bench_gives_joules_pace_baseline_accuracy_and_latency(tmp_path: Path) -> None:
    record = make_bench(accuracy_ratio=0.91, latency_p95_s=0.004, simulated=False)
    baselines = [one for one in (record.baseline_before, record.baseline_after) if one is not None]
    pair = edge_of(bench(tmp_path, accuracy_ratio=0.91, latency_p95_s=0.004, simulated=False), BY_BENCH)
    assert record.gross is not None
    assert range_of(pair.edge.energy) == pytest.approx(
        [record.gross.value_j + k * record.gross.u_j for k in (0.0, -1.64485, 1.64485)], rel=1e-6
    )
    assert pair.edge.time_s == pytest.approx([10.0 / 4100])
    assert range_of(pair.edge.idle_power)[0] == pytest.approx(np.mean([one.power_w for one in baselines]))
    assert (pair.edge.accuracy_ratio.tolist(), pair.edge.latency_s.tolist()) == ([0.91], [0.004])
    assert pair.edge.origin == "measured"
    assert pair.edge.energy.factors[0].vintage == "measurement"
    assert MODEL_ID in pair.edge.origin_text


def test_a_simulated_meter_is_said(tmp_path: Path) -> None:
    pair = edge_of(bench(tmp_path, simulated=True), BY_BENCH)
    assert pair.edge.origin == "simulated"
    assert "simulated" in pair.edge.energy.factors[0].label


def test_what_the_author_states_of_accuracy_and_latency_goes_first(tmp_path: Path) -> None:
    stated = BY_BENCH | {"edge.accuracy_ratio": 0.8, "edge.latency_s": 0.5}
    pair = edge_of(bench(tmp_path, accuracy_ratio=0.91), stated)
    assert (pair.edge.accuracy_ratio.tolist(), pair.edge.latency_s.tolist()) == ([0.8], [0.5])


@pytest.mark.parametrize(
    ("record", "changes", "message"),
    [
        ({"rejections": ("baselines differ",)}, {}, "edge.bench: .*rejected .baselines differ.; measure again"),
        ({"gross": None}, {}, "it holds no joules per inference"),
        ({}, {"edge.idle_power_w": 2.0}, "edge.idle_power_w: it was measured .*; remove it"),
        ({}, {"edge.time_per_inference_s": 2.0}, "edge.time_per_inference_s: it was measured .*; remove it"),
        ({}, {"edge.j_per_inference": 2.0}, "it has bench and j_per_inference: give one"),
        ({}, {"edge.bench": "gone.json"}, "gone.json"),
        ({"baseline_before": None, "baseline_after": None, "net": None}, {}, "edge.idle_power_w: unknown, but"),
    ],
)
def test_a_bench_that_cannot_be_used_is_one_line(
    tmp_path: Path, record: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        problem(BY_BENCH | changes, folder=bench(tmp_path, **record))


def test_a_file_that_is_no_bench_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bench.json").write_text('{"schema_version": 1}', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="no bench record"):
        problem(BY_BENCH, folder=tmp_path)


def test_a_device_of_the_lake_is_measured_over_its_period(sources: Sources) -> None:
    january = {"edge.from": "2026-01-01", "edge.to": "2026-02-01"}
    pair = edge_of(Path(), BY_DEVICE | january, sources)
    assert range_of(pair.edge.energy)[0] == pytest.approx(4.1 / 410.0)
    assert range_of(pair.edge.idle_power)[0] == pytest.approx(2.9)
    assert pair.edge.time_s == pytest.approx([1 / 410.0])
    assert pair.edge.origin == "simulated"
    assert "lab/pi4-01" in pair.edge.origin_text
    february = {"edge.from": "2026-02-01", "edge.to": "2026-03-01", "edge.model_id": MODEL_ID}
    later = edge_of(Path(), BY_DEVICE | february, sources)
    assert range_of(later.edge.energy)[0] == pytest.approx(3.6 * 3600.0 / 2_000_000)


def test_devices_and_periods_in_a_list_are_pairs_of_their_own(sources: Sources) -> None:
    found = problem(
        BY_DEVICE | {"edge.device_id": ["pi4-01", "lab/zero-01"], "edge.model_id": MODEL_ID}, sources=sources
    )
    assert [pair.cases.tolist() for pair in found.pairs] == [[0], [1]]
    assert range_of(found.pairs[1].edge.energy)[0] == pytest.approx(1.15 / 120.0)


def test_joules_of_covered_time_are_set_against_inferences_of_all_of_it(sources: Sources) -> None:
    found = ask(sources, Wanted("pi4-01", "other"))
    assert found.j_per_inference == pytest.approx(PI4.power_w / PI4.inferences_per_s)
    assert found.time_per_inference_s == pytest.approx(1.0 / PI4.inferences_per_s)


def test_systematic_errors_of_one_meter_add_linearly(sources: Sources) -> None:
    start_ns, end_ns = (round(day.timestamp()) * 10**9 for day in (JANUARY, FEBRUARY))
    found = ask(sources, Wanted("pi4-01", "", start_ns, end_ns))
    systematic = 0.0035 * found.j_per_inference
    hourly = np.sqrt((4.1 * 36.0) ** 2 - (4.1 * 3600.0 * 0.0035) ** 2) / (410.0 * 3600.0)
    assert found.j_per_inference_u == pytest.approx(np.hypot(systematic, hourly / np.sqrt(96)), rel=1e-6)


def test_a_journal_alone_is_measured_too(tmp_path: Path) -> None:
    with closing(Journal(journal_path(tmp_path))) as journal:
        for profile in (PI4, JETSON):
            journal.commit_batch("lab", make_window_batch(range(1, 7), profile=profile), 1)
        measured = fleet_measurements(Stored(journal=journal))
        pi4, jetson = measured(Wanted("pi4-01")), measured(Wanted("jetson-01"))
    assert (pi4.j_per_inference, pi4.idle_power_w) == pytest.approx((0.01, 2.9))
    assert jetson.j_per_inference == pytest.approx(8.4 / 1900.0)
    assert jetson.idle_power_w is None


def test_nothing_stored_is_one_line(tmp_path: Path) -> None:
    with (
        closing(Journal(journal_path(tmp_path))) as journal,
        pytest.raises(ConfigurationError, match="there are: none"),
    ):
        fleet_measurements(Stored(journal=journal))(Wanted("pi4-01"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edge.device_id": "pi9"}, "edge.device_id: no measurements of 'pi9'; there are: lab/pi4-01, lab/pi4-02"),
        ({"edge.model_id": "nothing"}, "pi4-01 did not run 'nothing'; it ran: .*other"),
        ({"edge.from": "2026-01-01"}, "edge: from and to belong together"),
        ({"edge.from": "2026-01-01", "edge.to": "2025-01-01"}, "has no length after 1970"),
        ({"edge.from": "2026-01-01", "edge.to": "soon"}, "edge.to: 'soon' is no moment; write 2026-03-01"),
        ({"edge.from": "2026-01-01T00:00:01", "edge.to": "2026-01-02"}, "full five minutes"),
        ({"edge.from": "2024-01-01", "edge.to": "2024-02-01"}, "no measurements of 'pi4-01'; there are: none"),
    ],
)
def test_a_device_that_is_not_there_is_one_line(sources: Sources, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        problem(BY_DEVICE | changes, sources=sources)


def test_two_fleets_with_one_device_have_to_be_told_apart(tmp_path: Path) -> None:
    rows = hours(PI4, JANUARY, 1) + hours(PI4, FEBRUARY, 1, 10, fleet="field")
    measured = fleet_measurements(Stored(lake=write_lake(tmp_path / "lake", rows)))
    with pytest.raises(ConfigurationError, match="2 devices fit; write FLEET/ID, one of field/pi4-01, lab/pi4-01"):
        measured(Wanted("pi4-01"))
    assert measured(Wanted("field/pi4-01")).words.startswith("field/pi4-01")


def test_a_cloud_record_gives_joules_waiting_time_and_latency_of_its_batch(tmp_path: Path) -> None:
    write(tmp_path / "cloud.json", make_record(accuracy_ratio=0.98))
    (pair,) = problem(NOT_STATED_CLOUD, folder=tmp_path).pairs
    cloud = pair.cloud
    assert (cloud.origin, cloud.max_power) == ("measured", None)
    assert range_of(cloud.energy)[0] == 0.25
    assert range_of(cloud.idle_power)[0] == pytest.approx(24.0)
    assert range_of(cloud.time_s) == pytest.approx((0.025 / 8,) * 3)
    assert (cloud.latency_s.tolist(), cloud.accuracy_ratio.tolist()) == ([0.03], [0.98])
    assert any("not stated as other_power_w: the rest" in gap for gap in pair.gaps)


def test_what_a_cloud_record_warns_of_reaches_the_comparison(tmp_path: Path) -> None:
    write(tmp_path / "cloud.json", make_record(warnings=("heat slowed the machine in 2 of 5 windows",)))
    (pair,) = problem(NOT_STATED_CLOUD, folder=tmp_path).pairs
    assert "cloud: cloud.json warns: heat slowed the machine in 2 of 5 windows" in pair.gaps
    assert any("latency is that of a batch of 8, without the wait" in gap for gap in pair.gaps)
    (alone,) = problem(NOT_STATED_CLOUD | {"cloud.batch": 1}, folder=tmp_path).pairs
    assert not any("without the wait" in gap for gap in alone.gaps)


@pytest.mark.parametrize(("method", "vintage"), [("cpu_time", "model"), ("rapl", "measurement")])
def test_joules_that_were_modelled_do_not_pass_for_measured_ones(tmp_path: Path, method: str, vintage: str) -> None:
    write(tmp_path / "cloud.json", make_record(method=method))
    (pair,) = problem(NOT_STATED_CLOUD, folder=tmp_path).pairs
    assert pair.cloud.energy is not None
    (factor,) = pair.cloud.energy.factors
    assert (factor.vintage, "not measured" in factor.label) == (vintage, method == "cpu_time")


def test_batches_in_a_list_are_pairs_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "cloud.json", make_record())
    found = problem(NOT_STATED_CLOUD | {"cloud.batch": [1, 8], "cloud.other_power_w": 10.0}, folder=tmp_path)
    assert [range_of(pair.cloud.energy)[0] for pair in found.pairs] == [2.0, 0.25]
    assert not any("other_power_w" in gap for pair in found.pairs for gap in pair.gaps)


@pytest.mark.parametrize(
    ("record", "origin"),
    [({"method": "cpu_time"}, "modelled"), ({"simulated": True}, "simulated"), ({"method": "nvml"}, "measured")],
)
def test_a_cloud_record_says_where_its_joules_come_from(tmp_path: Path, record: dict[str, Any], origin: str) -> None:
    write(tmp_path / "cloud.json", make_record(**record))
    (pair,) = problem(NOT_STATED_CLOUD, folder=tmp_path).pairs
    assert pair.cloud.origin == origin


@pytest.mark.parametrize(
    ("record", "changes", "message"),
    [
        ({}, {"cloud.batch": 7}, "cloud.batch: batch 7 was not measured; take one of 1, 8"),
        ({}, {"cloud.batch": Gone}, "cloud.batch: which of the record's batch sizes"),
        ({}, {"cloud.max_power_w": 70}, "cloud.max_power_w: cloud.json says it; remove it"),
        ({}, {"cloud.idle_power_w": 8.0}, "cloud.idle_power_w: cloud.json says it; remove it"),
        ({"rejections": ("drift",)}, {}, "rejected .drift."),
    ],
)
def test_a_cloud_record_that_cannot_be_used_is_one_line(
    tmp_path: Path, record: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    write(tmp_path / "cloud.json", make_record(**record))
    with pytest.raises(ConfigurationError, match=message):
        problem(NOT_STATED_CLOUD | changes, folder=tmp_path)


def test_waiting_that_nobody_measured_may_be_stated(tmp_path: Path) -> None:
    record = make_record(idle_before=None, idle_after=None, batches=(make_batch(8, net=None),))
    write(tmp_path / "cloud.json", record)
    (pair,) = problem(NOT_STATED_CLOUD | {"cloud.idle_power_w": 8.0}, folder=tmp_path).pairs
    assert range_of(pair.cloud.idle_power)[0] == 8.0
    (without,) = problem(NOT_STATED_CLOUD, folder=tmp_path).pairs
    assert without.cloud.idle_power is None
    assert any("waiting is not charged" in gap for gap in without.gaps)
    assert msgspec.structs.replace(record, idle_before=CloudIdle(power_w=1.0, power_u_w=0.1, duration_s=1.0)).idle
