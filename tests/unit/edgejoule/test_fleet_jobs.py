"""``edgejoule fleet jobs`` over a journal and a store of intensities on disk."""

import contextlib
import json
import re
from pathlib import Path

import msgspec
import pytest

from collector.config import journal_path
from collector.intensity.store import IntensityStore
from collector.journal import Journal
from edge_agent.wire.orders import CarbonTiming, CommandReply
from edgejoule.cli import main
from edgejoule.output import MOST_ROWS
from tests.unit.collector.test_grid_publisher import HOUR, NOW, said

CONFIG = """
state_dir = "state"
[[intensity.source]]
kind = "series"
zones = {"DE" = "DE-LU"}
url = "s.csv"
[intensity.source.passport]
id = "own"
name = "n"
scope = "s"
licence = "l"
method = "m"
"""


def reply(number: int, carbon: CarbonTiming | None, device_id: str = "pi4-01") -> CommandReply:
    return CommandReply(
        device_id=device_id, boot_id="b", reply_id=f"job.n.{number}.done", command_id=f"job.n.{number}", kind="bench",
        stage="done", t_unix_ns=NOW, clock_state="synchronised", carbon=carbon,
    )  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "c.toml").write_text(CONFIG)
    first = NOW - HOUR // 4
    waited = CarbonTiming(
        zone="DE", asked_unix_ns=first, start_unix_ns=first + HOUR, deadline_unix_ns=first + 4 * HOUR,
        duration_s=600.0, at_once_gco2e_per_kwh=400.0, chosen_gco2e_per_kwh=200.0, intensity_kind="average",
        energy_j=3600.0, energy_kind="measured", saved_gco2e=0.2, simulated=True,
    )  # fmt: skip
    at_once = CarbonTiming(
        zone="", asked_unix_ns=first, start_unix_ns=first, deadline_unix_ns=first + HOUR, duration_s=600.0,
        energy_j=3600.0, energy_kind="measured", why_now="no_zone",
    )  # fmt: skip
    with contextlib.closing(Journal(journal_path(tmp_path / "state"))) as journal:
        for number, carbon in enumerate((waited, at_once, None), start=1):
            journal.put_reply("demo", reply(number, carbon), NOW + number)
        journal.put_reply("demo", reply(9, at_once, "other"), NOW)
    with contextlib.closing(IntensityStore(tmp_path / "state/intensity.sqlite3")) as store:
        store.add([said(0, 350.0), said(1, 90.0)])
    return tmp_path


def test_each_job_and_the_sums_as_json(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "jobs", "--config", str(directory / "c.toml"), "--device", "pi4-01", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["estimates"] is True
    assert [job["command_id"] for job in found["jobs"]] == ["job.n.2", "job.n.1"]
    known_now = found["jobs"][1]["known_now"]
    assert (known_now["at_once_gco2e_per_kwh"], known_now["chosen_gco2e_per_kwh"]) == (350.0, 90.0)
    assert known_now["saved_gco2e"] == pytest.approx(0.26)
    assert known_now["forecast_ratio"] == pytest.approx(0.5), "of the later hour there is only a forecast"
    assert [(one["jobs"], one["saved_gco2e"], one["simulated"]) for one in found["sums"]] == [
        (1, None, False),
        (1, 0.2, True),
    ]


def test_the_tables_name_the_estimates_and_what_is_simulated(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fleet", "jobs", "--config", str(directory / "c.toml")]) == 0
    shown = capsys.readouterr().out.replace("\xa0", " ")
    for words in ("ESTIMATES", "SIMULATED", "200 mg", "260 mg", "60 min", "it knows no zone", "other"):
        assert words in shown, words
    assert shown.count("260 mg") == 2, "of the job and in sum"
    assert max(map(len, shown.splitlines())) <= 80
    assert main(["fleet", "jobs", "--state-dir", str(directory / "state"), "--json"]) == 0, "without intensities"
    known_now = json.loads(capsys.readouterr().out)["jobs"][1]["known_now"]
    assert known_now["saved_gco2e"] is None


def test_what_a_device_says_of_itself_moves_no_cursor_and_hides_no_other(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = CarbonTiming(
        zone="\x1b[31mX\x1b]0;title\x07[bold]", asked_unix_ns=0, start_unix_ns=9 * 10**18, deadline_unix_ns=2**63 - 1,
        duration_s=1.0, at_once_gco2e_per_kwh=1e308, chosen_gco2e_per_kwh=1e-300, intensity_kind="average",
        energy_j=1e308, energy_kind="measured", saved_gco2e=-1e-300, why_now="\x1b[2J",
    )  # fmt: skip
    said = msgspec.structs.replace(reply(5, strange, "liar"), kind="\x1b[1mk" * 1000)
    with contextlib.closing(Journal(journal_path(directory / "state"))) as journal:
        journal.put_reply("demo", said, NOW)
    assert main(["fleet", "jobs", "--config", str(directory / "c.toml")]) == 0
    shown = capsys.readouterr().out.replace("\xa0", " ")
    assert all(letter.isprintable() or letter == "\n" for letter in shown)
    for words in ("demo/pi4-01", "demo/liar", "200 mg", "60 min", "1.00e+308", "-1.00e-300 g", "[bold]"):
        assert words in shown, words
    assert len(shown.splitlines()) < 100


def test_of_many_jobs_the_latest_are_shown_and_all_are_summed(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = CarbonTiming(
        zone="", asked_unix_ns=NOW, start_unix_ns=NOW, deadline_unix_ns=NOW, duration_s=1.0, saved_gco2e=0.0
    )
    with contextlib.closing(Journal(journal_path(directory / "state"))) as journal, journal.transaction():
        for number in range(MOST_ROWS):
            journal.put_reply("demo", reply(100 + number, done), NOW + HOUR + number)
    words = ["fleet", "jobs", "--state-dir", str(directory / "state")]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert f"job.n.{99 + MOST_ROWS}:" in shown
    assert "job.n.1:" not in shown
    assert f"the latest {MOST_ROWS} of {MOST_ROWS + 3}; " in shown
    assert re.search(rf"unknown, unknown +{MOST_ROWS} ", shown)
    assert main([*words, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["jobs"]) == MOST_ROWS + 3
    assert main(["fleet", "orders", "--state-dir", str(directory / "state")]) == 0
    shown = capsys.readouterr().out
    assert shown.count("heard of") == MOST_ROWS
    assert f"the latest {MOST_ROWS} of {MOST_ROWS + 4}; " in shown


def test_no_jobs_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Journal(journal_path(tmp_path)).close()
    assert main(["fleet", "jobs", "--state-dir", str(tmp_path)]) == 0
    assert "no device has told of a job" in capsys.readouterr().out
    assert main(["fleet", "jobs", "--state-dir", str(tmp_path), "--device", "a", "--device", "b"]) == 0
    assert "none of a, b has told of a job" in capsys.readouterr().out
    assert main(["fleet", "jobs", "--state-dir", str(tmp_path / "none")]) == 2
