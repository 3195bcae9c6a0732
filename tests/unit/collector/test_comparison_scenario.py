from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from collector.analysis.comparison.problem import Problem
from collector.analysis.comparison.read import parse_problem, read_problem
from collector.analysis.comparison.sources import Sources
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.scenarios import SCENARIO, THIN_CLIENT, Gone, problem

SOURCES = Sources()
TWO_EDGES = [SCENARIO["edge"] | {"name": "a"}, SCENARIO["edge"] | {"name": "b"}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"thin_client": Gone}, r"thin_client is missing.*same_board = true.*thin_client = \"none\" on purpose"),
        ({"network": Gone}, "the file: missing key `network`"),
        ({"functional_unit": "one keyword"}, "unknown key `functional_unit`; it knows title, unit"),
        ({"edge.grdi": "DE"}, "edge: unknown key `grdi`; did you mean grid"),
        ({"edge.grid": "DUE"}, "edge.grid: no intensity for zone 'DUE'; near names: DEU"),
        ({"edge.grid": True}, "edge: Expected `float | str | object`, got `bool` in `grid`"),
        ({"edge.grid": float("nan")}, "edge.grid: nan is not a usable number"),
        ({"edge.grid": -3.0}, "edge.grid: -3 is negative"),
        ({"edge.grid": {"zone": "GB"}}, "edge.grid: give zone, from and to"),
        ({"edge.grid": {"zone": "GB", "from": "2026-01-01", "to": "2026-02-01"}}, "needs stored intensities"),
        ({"edge.grid": {"name": "own", "value": 3.0}}, "edge.grid: give zone, from and to.*or name, value"),
        ({"edge.idle_power_w": Gone}, r"edge.idle_power_w: unknown, but attribution = \"dedicated\""),
        ({"edge.idle_power_w": "t5-idle"}, "edge.idle_power_w: unknown 't5-idle'; near names: t4-idle"),
        ({"edge.idle_power_w": "pue-aws"}, "edge.idle_power_w: 'pue-aws' is in ratio, and W is needed here"),
        ({"edge.idle_power_w": {"value": 1, "low": 2, "high": 3, "source": "x"}}, "needs low <= value <= high"),
        ({"edge.idle_power_w": 1e13}, "edge.idle_power_w: 1e\\+13 is not a usable number"),
        ({"edge.j_per_inference": "t4-idle"}, "edge.j_per_inference"),
        ({"edge.j_per_inference": Gone}, "edge: its joules are bench.*it has none of them"),
        ({"edge.active_power_w": 4.0}, "it has j_per_inference and active_power_w: give one"),
        ({"edge.time_per_inference_s": Gone}, "edge.time_per_inference_s: it is needed beside j_per_inference"),
        (
            {"edge.j_per_inference": {"value": 1, "low": 1, "high": 1, "source": "x"}},
            "it has a range already; remove j_per_inference_u",
        ),
        ({"edge.model_id": "kws"}, "edge.model_id: it belongs to device_id"),
        ({"edge.from": "2026-01-01"}, "edge.from: it belongs to device_id"),
        ({"edge.hardware": Gone}, "edge: give hardware .with sd_card_gb., or embodied_kgco2e of the whole|name its"),
        ({"edge.embodied_kgco2e": 9.0}, "edge: give hardware .with sd_card_gb., or embodied_kgco2e"),
        ({"edge.hardware": "raspberry-pie"}, "edge: hardware: unknown 'raspberry-pie'; near names: raspberry"),
        ({"edge.policy": "by_use"}, 'edge.lifetime_uses: policy = "by_use" needs it'),
        ({"edge.policy": "front_loaded", "edge.year": 1}, 'edge.decline_ratio: policy = "front_loaded" needs it'),
        ({"edge.lifetime_uses": 1e6}, 'edge.lifetime_uses: it belongs to policy = "by_use"'),
        ({"edge": [SCENARIO["edge"], SCENARIO["edge"]]}, "edge: of several .*each needs a name"),
        ({"edge": [TWO_EDGES[0], TWO_EDGES[0]]}, "edge: the name 'a' stands twice"),
        ({"edge": []}, "edge: there is none"),
        ({"edge.name": ["a", "b"]}, "edge.name: it is the same in all cases"),
        ({"unit.inferences": [1, 1000]}, "unit.inferences: it is the same in all cases"),
        ({"unit.inferences": "week"}, "unit: .*`inferences`"),
        ({"cloud.max_power_w": Gone}, "cloud: its joules are a bench, j_per_inference, or idle_power_w with"),
        ({"cloud.j_per_inference": 1.0}, "cloud: its joules are a bench, j_per_inference, or idle_power_w with"),
        ({"cloud.time_per_inference_s": Gone}, "cloud: its busy time is.*it has none of them"),
        ({"cloud.batch": 8}, "cloud.batch: it belongs to time_per_batch_s"),
        ({"cloud.pue": 0.9}, "cloud.pue: 0.9 is below 1, though"),
        ({"cloud.accelerator_count": 2}, "cloud.accelerator_count: of what"),
        ({"cloud.price_per_hour": 1.0}, r"cloud.price_per_hour: of which currency\? add \[prices\]"),
        ({"network.price_per_gb": 1.0}, "network.price_per_gb: of which currency"),
        (
            {"cloud.price_per_hour": 1.0, "cloud.price_per_1000": 1.0, "prices": {"currency": "EUR"}},
            "cloud: give price_per_hour or price_per_1000, not both",
        ),
        ({"network.access": "satellite"}, "network: Invalid enum value 'satellite'.*fixed, mobile, wifi"),
        ({"thin_client": {"same_board": True, "hardware": "x"}}, "thin_client.hardware: with same_board = true"),
        ({"thin_client": {"hardware": "esp32-devkit"}}, "thin_client.idle_power_w: it waits all day"),
        ({"thin_client": THIN_CLIENT | {"lifetime_years": True}}, "thin_client: Expected `float . null`, got `bool`"),
        ({"edge.bench": "gone.json", "edge.j_per_inference": Gone}, "there is no j_per_inference; remove it"),
        (
            {"edge.device_id": "pi", "edge.j_per_inference": Gone, "edge.j_per_inference_u": Gone},
            "edge.device_id: name where its measurements lie",
        ),
    ],
)
def test_a_fault_is_one_line_with_the_key_and_the_remedy(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        problem(changes, sources=SOURCES)
    assert "\n" not in str(caught.value)


def test_the_file_is_named_first(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_text('title = "t"\nedge = [', encoding="utf-8")
    with pytest.raises(ConfigurationError, match=rf"^{path}: not valid TOML"):
        read_problem(path, SOURCES)
    path.write_text('title = "t"\nedge = 3', encoding="utf-8")
    with pytest.raises(ConfigurationError, match=rf"^{path}: the file: "):
        read_problem(path, SOURCES)
    with pytest.raises(ConfigurationError, match=r"gone\.toml"):
        read_problem(tmp_path / "gone.toml", SOURCES)


def test_dates_of_toml_are_moments(tmp_path: Path) -> None:
    text = 'title = "t"\nx = { zone = "GB", from = 2026-03-01, to = 2026-03-02T16:00:00Z, at = 10:00:00 }'
    with pytest.raises(ConfigurationError, match=r"^scenario: the file: "):
        parse_problem(text, SOURCES, folder=tmp_path)


SCALARS = (
    st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.sampled_from(["", "DE", "t4-idle", "none", "pue-aws", "by_use", "dedicated", "device_day", "2026-01-01", "x"])
    | st.text(max_size=5)
)
KEYS = st.sampled_from(
    ["value", "low", "high", "source", "from", "to", "steps", "scale", "reference", "zone", "hours", "name", "kind"]
)
VALUES = st.recursive(
    SCALARS,
    lambda of: st.lists(of, max_size=3) | st.dictionaries(KEYS | st.text(max_size=3), of, max_size=4),
    max_leaves=8,
)
PATHS = st.sampled_from(
    [
        *(f"{table}.{key}" for table, held in SCENARIO.items() if isinstance(held, dict) for key in held),
        *SCENARIO, "edge.bench", "edge.device_id", "edge.active_power_w", "edge.name", "edge.policy", "edge.year",
        "edge.from", "edge.to", "edge.sent_bytes", "cloud.bench", "cloud.batch", "cloud.time_per_batch_s",
        "cloud.inferences_per_s", "cloud.wue_l_per_kwh", "network.grid", "network.round_trip_s", "prices",
        "network.bandwidth_up_bps", "cloud.accelerator_embodied_kgco2e", "cloud.j_per_inference", "unit.words",
    ]
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(PATHS, VALUES | st.just(Gone), min_size=1, max_size=3))
@example({"edge.bench": "/", "edge.j_per_inference": Gone, "edge.j_per_inference_u": Gone})
@example({"edge.bench": "x" * 5000, "edge.j_per_inference": Gone, "edge.j_per_inference_u": Gone})
@example({"cloud.inferences_per_s": 0, "cloud.time_per_inference_s": Gone})
@example({"cloud.time_per_batch_s": 1e-300, "cloud.batch": 7, "cloud.time_per_inference_s": Gone})
@example({"edge.j_per_inference": 10**400})
def test_whatever_stands_in_a_scenario_gives_a_problem_or_one_line(changes: dict[str, Any]) -> None:
    whole = {path: value for path, value in changes.items() if "." not in path}
    inside = {path: value for path, value in changes.items() if path.partition(".")[0] not in whole and "." in path}
    try:
        found = problem(inside | whole, sources=SOURCES)
    except ConfigurationError as error:
        assert "\n" not in str(error)  # noqa: PT017  both outcomes are right
    else:
        assert isinstance(found, Problem)
        for pair in found.pairs:
            assert len(pair.cases) > 0


@given(st.text(max_size=60))
def test_whatever_stands_in_a_file_gives_one_line(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^scenario: [^\n]*$"):
        parse_problem(text, SOURCES, folder=Path())
