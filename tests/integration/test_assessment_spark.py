"""Spark answers as DuckDB does, on the same lake: every figure to 1e-9, every count exactly."""

import json
import math
import shutil
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow.parquet as pq
import pytest

from collector.assessment.assess import Period, Stored, assess
from collector.assessment.engine import EngineName, Limits
from collector.assessment.lake_files import DIRECTORY_NAME, roll_up_name
from collector.assessment.query import COUNTS, KEYS, SLOT
from collector.assessment.roll_up import roll_up
from collector.assessment.values import BY, FleetAssessment, Options
from collector.inventory import parse_inventory
from edge_agent.wire.errors import ConfigurationError
from edgejoule.cli import main
from tests.fakes.odd_lake import DAY_NS, DAY_UNIX_NS, DAYS, INVENTORY, make_odd_lake
from tests.fakes.stepped_intensity import SteppedIntensity
from tests.fakes.windows import MODEL_SHA256

pytestmark = pytest.mark.spark
RELATIVE: Final = 1e-9


def differences(one: Any, two: Any, where: str = "", absolute: float = 1e-15) -> list[str]:
    """Return where two answers differ: numbers by more than 1e-9, all else at all."""
    if isinstance(one, dict) and isinstance(two, dict) and one.keys() == two.keys():
        pairs = [(f"{where}.{key}", one[key], two[key]) for key in one]
    elif isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        pairs = [(f"{where}[{i}]", one[i], two[i]) for i in range(len(one))]
    elif isinstance(one, float) and isinstance(two, float):
        same = math.isclose(one, two, rel_tol=RELATIVE, abs_tol=absolute)
        return [] if same else [f"{where}: {one} and {two}"]
    else:
        return [] if one == two else [f"{where}: {one} and {two}"]
    return [words for place, mine, other in pairs for words in differences(mine, other, place, absolute)]


def assessed(lake: Path, engine: EngineName) -> FleetAssessment:
    return assess(
        Stored(lake=lake),
        parse_inventory(INVENTORY),
        SteppedIntensity(lambda s: None if s % 7200 == 1800 else 50.0 + s // 1800 % 24, step_s=1800),
        Period(start_unix_ns=DAY_UNIX_NS, end_unix_ns=DAY_UNIX_NS + 3 * DAY_NS),
        Options(by=BY, draws=500),
        limits=Limits(engine=engine),
    )


def plain(assessment: FleetAssessment) -> Any:
    return json.loads(msgspec.json.encode(assessment))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an odd lake, in a directory whose name has what file systems of Hadoop read as a pattern."""
    return make_odd_lake(tmp_path_factory.mktemp("lakes") / "a lake, {north,south} [1]*?")


def test_a_fleet_is_the_same_from_windows_and_a_roll_up(spark: None, lake: Path, tmp_path: Path) -> None:
    mixed = shutil.copytree(lake, tmp_path / "mixed")
    roll_up(mixed, DAYS[1], DAYS[1], slot_s=900)
    shutil.rmtree(mixed / f"date={DAYS[1]}")
    ours, theirs = assessed(mixed, "duckdb"), assessed(mixed, "spark")
    assert ours.reading.rows_repeated > 50
    assert ours.reading.rows_unusable > 15
    assert (ours.reading.rolled_up_days, ours.reading.cut_days) == (1, ())
    assert ours.total.inference_count > 10**13
    assert not differences(plain(ours), plain(theirs))


def test_the_command_makes_the_same_roll_up(
    spark: None, lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = []
    for engine in ("duckdb", "spark"):
        copy = shutil.copytree(lake, tmp_path / engine)
        command = ["carbon", "roll-up", "--lake", str(copy), "--from", DAYS[0], "--to", DAYS[0], "--json"]
        assert main([*command, "--minutes", "5", "--engine", engine]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        table = pq.read_table(copy / DIRECTORY_NAME / roll_up_name(DAYS[0]), partitioning=None)
        made.append((json.loads(out), table))
    (said, one), (said_too, two) = made
    assert said == said_too
    assert one.schema.equals(two.schema, check_metadata=True)
    exact = [*KEYS, SLOT, *COUNTS]
    assert one.select(exact).equals(two.select(exact))
    assert one.num_rows > 500
    for name in set(one.column_names) - set(exact):
        for mine, other in zip(one[name].to_pylist(), two[name].to_pylist(), strict=True):
            assert mine == pytest.approx(other, rel=RELATIVE, abs=1e-12), name


def test_a_decomposition_by_release_is_the_same(
    spark: None, lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inventory = tmp_path / "inventory.toml"
    inventory.write_text(INVENTORY)
    release = f"sha256={MODEL_SHA256[:8]},period={DAYS[0]}"
    sides = [f"model={model},{release}" for model in ("keywords", "person")]
    command = ["decompose", *sides, "--lake", str(lake), "--inventory", str(inventory), "--json", "--draws", "500"]
    said = []
    for engine in ("duckdb", "spark"):
        assert main([*command, "--by", "device", "--engine", engine]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        said.append(json.loads(out))
    assert said[0]["before"]["windows"] > 20
    assert abs(said[0]["change"]["value"]) > 1.0
    ours, theirs = said
    assert not differences(ours, theirs, absolute=1e-9), "an effect that is none is zero but for what rounding leaves"


@pytest.mark.parametrize("engine", ["duckdb", "spark"])
def test_a_damaged_file_is_named_in_one_line(
    spark: None, lake: Path, tmp_path: Path, engine: EngineName, capfd: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(lake, tmp_path / "damaged")
    file = sorted(copy.glob("date=*/*.parquet"))[2]
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(
        ConfigurationError, match=f"{file.name}: cannot read it: .*; move a damaged file away"
    ) as caught:
        assessed(copy, engine)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
