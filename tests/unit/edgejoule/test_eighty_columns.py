"""What people read fits a terminal of eighty columns, with every name whole."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.config import journal_path
from collector.journal import Journal
from edge_agent.model_catalog import models_dir
from edge_agent.wire.records import Birth, RuntimeIdentity, Status
from edgejoule.cli import main
from edgejoule.commands.carbon import VERBS as CARBON_VERBS
from edgejoule.commands.models import VERBS as MODELS_VERBS
from edgejoule.zoo.catalog_file import read_catalog
from firmware_bridge.registry import driver_names
from tests.fakes.benches import make_bench, make_measurand
from tests.fakes.delivery import make_birth
from tests.fakes.windows import FLEET, PROFILES, commit_rows, make_batch, make_fleet_rows

LONG_NAME = "greenhouse-north-raspberry-pi-4b-number-0017"
EXAMPLE = Path(__file__).parents[3] / "examples" / "compare-keyword-spotting.toml"
HELP = [
    ["demo"],
    ["doctor"],
    *([["meter", verb] for verb in ("list", "show", "read", "record", "replay", "decode", "emulate")]),
    *([["agent", action] for action in ("run", "check-config")]),
    *([["collector", action] for action in ("run", "check-config")]),
    *([["collector", "dead-letters", verb] for verb in ("list", "show", "replay", "drop")]),
    ["bench-replay"],
    ["broker"],
    *([["fleet", what] for what in ("report", "ledger", "devices", "benches")]),
    *([["carbon", what] for what in CARBON_VERBS]),
    ["compare"],
    *([["models", verb] for verb in MODELS_VERBS]),
    ["cloud", "bench"],
    *([["dashboards", what] for what in ("build", "check")]),
]


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    text = capsys.readouterr().out
    assert text
    assert [line for line in text.splitlines() if len(line) > 80] == []
    return text


def birth_of(device_id: str) -> Birth:
    return make_birth(device_id, "boot-1")


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    journal = Journal(journal_path(tmp_path))
    commit_rows(journal, make_fleet_rows(200))
    for profile in PROFILES:
        journal.put_birth(FLEET, birth_of(profile.device_id), 1)
    gone = Status(device_id="zero-01", boot_id="boot-1", online=False, t_unix_ns=1)
    journal.put_status(FLEET, gone, 2)
    journal.put_bench(FLEET, make_bench(), 1)
    journal.close()
    return tmp_path


@pytest.fixture
def busy_state_dir(tmp_path: Path) -> Path:
    """Return the state of a fleet with a long name, a long device id, and figures with many digits."""
    profile = replace(PROFILES[0], device_id=LONG_NAME, inferences_per_s=98_765.4)
    journal = Journal(journal_path(tmp_path))
    for first in range(1, 1200, 60):
        batch = make_batch(range(first, min(first + 60, 1200)), profile=profile)
        gaps = tuple(msgspec.structs.replace(window, gap_s=1.25) for window in batch.records)
        journal.commit_batch(
            "a-fleet-of-some-forty-characters-at-least", msgspec.structs.replace(batch, records=gaps), 1
        )
    changes: dict[str, Any] = {
        "device_id": LONG_NAME,
        "model_id": "keyword_spotting_depthwise_separable_int8_full",
        "runtime": RuntimeIdentity(runtime="tflite_runtime", version="2.14.0", delegate="libedgetpu.so.1", threads=4),
        "gross": make_measurand(1.23456e-5, 1.2345e-8),
        "rejections": ("the SoC throttled in windows 2, 3, 4 and 5", "baseline before and after differ by 0.31 W"),
    }
    journal.put_bench(FLEET, make_bench("20260114T101500Z-keyword_spotting_depthwise-7f3a", **changes), 1)
    journal.close()
    return tmp_path


@pytest.mark.parametrize("words", HELP, ids=" ".join)
def test_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    shown(capsys)


@pytest.mark.parametrize("what", ["intensity", "embodied"])
def test_factors_keep_their_names_whole(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["carbon", what])
    text = shown(capsys)
    for word in (
        ("(DE)", "CC-BY-4.0") if what == "intensity" else ("(jetson-xavier-nx)", "(raspberry-pi-4b)", "Apache")
    ):
        assert word in text


def test_a_comparison_and_the_meters(capsys: pytest.CaptureFixture[str]) -> None:
    main(["compare", str(EXAMPLE), "--draws", "200"])
    shown(capsys)
    main(["meter", "list"])
    shown(capsys)


def test_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    catalog = read_catalog(models_dir())
    main(["models", "list"])
    listed = shown(capsys)
    assert "…" not in listed
    assert all(f"{family.id}: " in listed for family in catalog.family)
    for family in catalog.family:
        main(["models", "show", family.id])
        text = shown(capsys)
        assert "…" not in text
        assert all(entry.sha256 in text for entry in catalog.members(family.id))


@pytest.mark.parametrize("name", driver_names())
def test_a_meters_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["meter", "show", name]) == 0
    text = shown(capsys)
    assert "Data sheet" in text
    assert "``" not in text


def test_a_fleet(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for what in ("report", "ledger", "benches"):
        main(["fleet", what, "--state-dir", str(state_dir)])
        shown(capsys)
    main(["fleet", "ledger", "--boots", "--state-dir", str(state_dir)])
    shown(capsys)
    main(["fleet", "devices", "--state-dir", str(state_dir)])
    text = shown(capsys)
    for word in ("lab/jetson-01", "raspberry-pi-4b", "digits_mlp_int8", "litert 2.1.0, 1 thread", "simulated"):
        assert word in text
    assert text.count("offline") == 1
    assert text.count("silent") == 2


@pytest.mark.parametrize("what", ["report", "ledger", "devices", "benches"])
def test_no_figure_is_cut_for_a_long_name(what: str, busy_state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["fleet", what, "--state-dir", str(busy_state_dir)])
    text = shown(capsys)
    assert "…" not in text
    words = {"devices": "silent", "benches": "± 0.025 µJ"}
    assert words.get(what, "1199") in text.replace("\N{NO-BREAK SPACE}", " ")
