"""Points on the page for Prometheus: a gauge for each number, named by its unit, with the tags as labels."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from collector.figures import FiguresReader, Runtime
from collector.gauge_metrics import families, metric_name
from collector.journal import Journal
from collector.metrics import FiguresCollector
from collector.sinks.points import CarbonBudgetPoint, DeviceStatePoint, GridIntensityPoint, Point
from tests.fakes.windows import FLEET, T0_UNIX_NS, make_batch

STATE = DeviceStatePoint(fleet=FLEET, device="pi4-01", last_seen_age_s=3.5, online=1, platform="Linux")
BUDGET = CarbonBudgetPoint(fleet=FLEET, budget_gco2e=10.0, month_elapsed_ratio=0.5, burn_ratio=None)
GRID = GridIntensityPoint(
    zone="DE", kind="average", source="yearly", gco2e_per_kwh=350.0, low_gco2e_per_kwh=300.0,
    high_gco2e_per_kwh=400.0, quality="yearly",
)  # fmt: skip


@pytest.fixture
def reader(journal: Journal, path: Path) -> Iterator[FiguresReader]:
    journal.commit_batch(FLEET, make_batch(range(1, 3)), T0_UNIX_NS)
    with closing(FiguresReader(path, {}, "", lambda: Runtime(True, 0, 0, 0))) as reader:
        yield reader


def page(reader: FiguresReader, points: list[Point], *, per_device: bool = True) -> dict[str, dict[str, str]]:
    """Return the labels of each sample, with its value as ``=``."""
    registry = CollectorRegistry()
    registry.register(FiguresCollector(reader.read, lambda: points, per_device=per_device))
    text = generate_latest(registry).decode()
    return {
        sample.name: {**sample.labels, "=": str(sample.value)}
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_each_number_is_a_gauge_with_the_tags_as_labels(reader: FiguresReader) -> None:
    found = page(reader, [STATE, GRID, BUDGET])
    age = found["edgejoule_device_state_last_seen_age_seconds"]
    assert (age["device"], age["fleet"], age["="]) == ("pi4-01", FLEET, "3.5")
    assert found["edgejoule_device_state_online"]["="] == "1.0"
    grid = found["edgejoule_grid_intensity_gco2e_per_kwh"]
    assert (grid["zone"], grid["kind"], grid["source"], grid["="]) == ("DE", "average", "yearly", "350.0")
    assert found["edgejoule_carbon_budget_month_elapsed_ratio"]["="] == "0.5"


def test_words_and_what_is_unknown_are_no_metrics(reader: FiguresReader) -> None:
    found = page(reader, [STATE, GRID, BUDGET])
    unknown = ("device_state_platform", "carbon_budget_burn_ratio", "grid_intensity_quality", "grid_intensity_age")
    assert not [name for name in found if name.removeprefix("edgejoule_").startswith(unknown)]
    (nan,) = families([BUDGET.__class__(fleet=FLEET, budget_gco2e=float("nan"), month_elapsed_ratio=0.5)])[:1]
    assert nan.name == "edgejoule_carbon_budget_month_elapsed_ratio"


def test_a_large_fleet_has_no_metric_for_each_device(reader: FiguresReader) -> None:
    found = page(reader, [STATE, BUDGET], per_device=False)
    assert "edgejoule_device_state_online" not in found
    assert "edgejoule_carbon_budget_budget_gco2e" in found


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("last_seen_age_s", "edgejoule_x_last_seen_age_seconds"),
        ("development_energy_j", "edgejoule_x_development_energy_joules"),
        ("outbox_bytes", "edgejoule_x_outbox_bytes"),
        ("macs", "edgejoule_x_macs"),
    ],
)
def test_units_are_written_out(field: str, name: str) -> None:
    assert metric_name("x", field) == name
