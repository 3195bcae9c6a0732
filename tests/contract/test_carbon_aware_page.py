"""docs/carbon-aware.md: its settings, reasons, figures and commands are those of the code."""

import re
import tomllib
from pathlib import Path
from typing import Final, get_args

import msgspec
import pytest

from collector.config import parse_config
from collector.intensity_config import GridForecastConfig
from edge_agent.config import AgentConfig, GridSection
from edge_agent.jobs.config import JobConfig, check_jobs
from edge_agent.jobs.planner import MAX_AHEAD_NS, NS_PER_S, WhyNow
from edge_agent.jobs.queue import CLOCK_WAIT_S, FORECAST_WAIT_S, MAX_JOBS
from edge_agent.wire.grid import MAX_SLOTS
from edgejoule.cli import main
from edgejoule.job_tables import WHY

PAGE: Final = (Path(__file__).resolve().parents[2] / "docs" / "carbon-aware.md").read_text(encoding="utf-8")
BLOCKS: Final = dict(zip(("collector", "agent"), re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL), strict=True))


def test_the_collectors_lines_are_what_they_say_they_are() -> None:
    config = parse_config(BLOCKS["collector"], "the page", Path("/nowhere"))
    assert config.grid_forecast == GridForecastConfig(), "every value is the default"
    (source,) = config.intensity.source
    assert source.ahead_s == GridForecastConfig().horizon_s


def test_the_agents_lines_are_what_they_say_they_are() -> None:
    found = tomllib.loads(BLOCKS["agent"])
    config = msgspec.convert(
        {
            "device": {"id": "a"},
            "meter": {"driver": "tc66c", "port": "p", "boundary": "usb_dc"},
            "model": {"id": "m"},
            "broker": {"url": "mqtt://b"},
            **found,
        },
        AgentConfig,
    )
    (job,) = config.job
    check_jobs(config.job, config.remote.batch_folders)
    assert config.grid.max_age_s == GridSection().max_age_s
    plain = JobConfig(name="n", action="bench", every_s=60.0, duration_s=1.0)
    assert (plain.energy_j, plain.deadline_s) == (0.0, 0.0)
    assert (job.deadline_s, job.every_s) == (6 * 3600.0, 86_400.0)


def test_every_reason_to_begin_at_once_is_explained_on_the_page_and_in_the_table() -> None:
    reasons = {reason for reason in get_args(WhyNow) if reason}
    table = PAGE.partition("| `why_now` |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z_]+)`", "".join(line.split("|")[1] for line in table.splitlines()[2:]))) == reasons
    assert set(WHY) == reasons


def test_its_figures_are_those_of_the_code() -> None:
    assert f"{MAX_SLOTS} slots at most" in PAGE
    assert f"{MAX_JOBS} jobs may wait" in PAGE
    assert f"waits {FORECAST_WAIT_S:g} s for a first forecast" in PAGE
    assert (CLOCK_WAIT_S, MAX_AHEAD_NS) == (300.0, 300 * NS_PER_S), "five minutes, said twice"


@pytest.mark.parametrize(
    "words", [["fleet", "jobs"], ["carbon", "intensity", "what-if"], ["order", "send", "bench"]], ids=" ".join
)
def test_its_commands_are_there(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([*words, "--help"])
    shown = capsys.readouterr().out
    asked = re.findall(rf"edgejoule {' '.join(words)}(.*)", PAGE)
    flags = set(re.findall(r"--[a-z-]+", " ".join(asked)))
    assert flags
    assert all(flag in shown for flag in flags), flags
