"""Points of what a collector knows: each field in its type, what is unknown left out."""

import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.sinks.points import POINTS, DeviceStatePoint, FactorPoint, ModelInfoPoint, line_of
from grafana.queries import MEASUREMENTS

NOW = 1_760_000_000_000_000_000
FIELD = re.compile(r'([a-z0-9_]+)=("(?:[^"\\]|\\.)*"|[^,\s]+)')


def fields_of(line: str) -> dict[str, str]:
    """Return the fields of a line as they are written; its tags hold no space."""
    return dict(FIELD.findall(line.partition(" ")[2].rpartition(" ")[0]))


def test_a_point_has_its_tags_its_fields_and_its_time() -> None:
    point = DeviceStatePoint(
        fleet="lab 1", device="pi4-01", zone="DE", last_seen_age_s=3, online=1, outbox_windows=0, platform='a "b"'
    )
    assert line_of(point, NOW) == (
        "device_state,device=pi4-01,fleet=lab\\ 1,zone=DE "
        f'last_seen_age_s=3.0,online=1i,outbox_windows=0i,platform="a \\"b\\"" {NOW}'
    )


def test_the_collector_is_a_tag_only_where_it_is_one_of_several() -> None:
    assert line_of(ModelInfoPoint(model="m", devices=1), NOW).startswith("model_info,model=m ")
    several = ModelInfoPoint(model="m", devices=1, collector="collector-a")
    assert line_of(several, NOW).startswith("model_info,collector=collector-a,model=m ")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_has_no_field(value: float) -> None:
    line = line_of(FactorPoint(factor="f", value=1.5, low=value, high=2.0, unit="", source="s"), NOW)
    assert fields_of(line) == {"value": "1.5", "high": "2.0", "source": '"s"'}
    assert line_of(FactorPoint(factor="f", value=value, low=value, high=value), NOW) == ""


def test_a_count_that_no_store_holds_has_no_field() -> None:
    state = DeviceStatePoint(fleet="f", device="d", online=1, outbox_bytes=2**63, outbox_windows=2**63 - 1)
    assert fields_of(line_of(state, NOW)) == {"online": "1i", "outbox_windows": f"{2**63 - 1}i"}


@pytest.mark.parametrize("kind", POINTS, ids=lambda kind: kind.MEASUREMENT)
def test_tags_stand_in_lexical_order_and_the_dashboards_filters_are_among_them(kind: Any) -> None:
    assert list(kind.TAGS) == sorted(kind.TAGS)
    assert set(MEASUREMENTS[kind.MEASUREMENT].filters) <= set(kind.TAGS)


@given(
    age_s=st.none() | st.floats(0.0, 1e12) | st.integers(0, 10**9),
    count=st.none() | st.integers(0, 2**63 - 1),
    word=st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=20),
)
def test_a_field_keeps_its_type_whatever_stands_in_it(age_s: float | None, count: int | None, word: str) -> None:
    """A store refuses a field whose type changes: a whole number of seconds stays a float."""
    line = line_of(
        DeviceStatePoint(fleet="f", device="d", last_seen_age_s=age_s, online=1, outbox_windows=count, platform=word),
        NOW,
    )
    found = fields_of(line)
    assert found["online"] == "1i"
    assert found.get("outbox_windows") == (None if count is None else f"{count}i")
    assert (None if age_s is None else float(age_s)) == (
        float(found["last_seen_age_s"]) if age_s is not None else None
    )
    assert age_s is None or not found["last_seen_age_s"].isdigit()
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    assert found.get("platform") == (f'"{escaped}"' if word else None)
