"""A server's record: read whole or refused in one line."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.analysis.cloud_record import (
    batch_of,
    read_cloud_record,
)
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.benches import make_bench
from tests.fakes.cloud_records import make_batch, make_record, write


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = make_record(accuracy_ratio=0.98, accuracy_count=200)
    assert read_cloud_record(write(tmp_path / "cloud.json", record)) == record


@pytest.mark.parametrize(
    ("changes", "origin"),
    [
        ({}, "measured"),
        ({"method": "nvml"}, "measured"),
        ({"method": "cpu_time"}, "modelled"),
        ({"simulated": True}, "simulated"),
        ({"method": "cpu_time", "simulated": True}, "simulated"),
    ],
)
def test_where_the_joules_come_from(changes: dict[str, Any], origin: str) -> None:
    assert make_record(**changes).origin == origin


def test_idle_is_the_mean_over_time_and_unknown_without_any() -> None:
    idle = make_record().idle
    assert idle is not None
    assert idle.power_w == pytest.approx(24.0)
    assert (idle.power_u_w, idle.duration_s) == (2.0, 30.0)
    assert make_record(idle_before=None, idle_after=None).idle is None
    assert make_record(idle_after=None).idle == make_record().idle_before


def test_a_batch_is_found_by_its_size() -> None:
    record = make_record()
    assert batch_of(record, 8, "cloud.batch") == make_batch(8)
    with pytest.raises(ConfigurationError, match=r"cloud\.batch: batch 4 was not measured; take one of 1, 8"):
        batch_of(record, 4, "cloud.batch")


def test_what_is_no_record_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "cloud.json"
    edge = msgspec.json.encode(make_bench()).decode()
    for text in ("", "[]", "{", "{}", edge, msgspec.json.encode(make_record(batches=())).decode()):
        path.write_text(text)
        with pytest.raises(ConfigurationError, match="no cloud bench record") as no:
            read_cloud_record(path)
        assert "\n" not in str(no.value)
    with pytest.raises(ConfigurationError, match="cannot read it"):
        read_cloud_record(tmp_path / "nowhere.json")


def test_a_rejected_bench_is_not_compared(tmp_path: Path) -> None:
    path = write(tmp_path / "cloud.json", make_record(rejections=("joules per inference drift by +20%",)))
    with pytest.raises(ConfigurationError, match=r"rejected.*drift.*measure again"):
        read_cloud_record(path)
