"""First board, fifty boards, wiring, trouble: the commands of these pages are understood, and their words are ours."""

import argparse
import importlib
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import pytest

from edge_agent.config import AgentConfig
from edge_agent.wire.toml_config import convert_document
from edgejoule.cli import COMMANDS, Command
from edgejoule.deploy.fleet.devices import load_fleet
from edgejoule.deploy.onboard import cli as installer

REPOSITORY: Final = Path(__file__).parents[2]
NAMES: Final = ("first-board", "fifty-boards", "wiring", "meters-to-buy", "troubleshooting")
PAGES: Final = {name: REPOSITORY / "docs" / f"{name}.md" for name in NAMES}
SOURCES: Final = ("edgejoule", "edge_agent", "collector", "firmware_bridge")
INSTALLER: Final = "installer.pyz"
CALL: Final = re.compile(r"(?:^|[\s/;&|(])(?P<program>edgejoule|installer\.pyz) (?P<words>[a-z-]+(?: [^\n#;&|>]*)?)")

BARE: Final = re.compile(r"(edgejoule [a-z-]+( [a-z-]+)?|installer\.pyz [a-z-]+)")
"""A command that is spoken of, not called: it needs no arguments, but has to be there."""


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^[ ]*```{language}\n(.*?)^[ ]*```", text, re.DOTALL | re.MULTILINE)


def calls(text: str) -> Iterator[list[str]]:
    """Yield every call of ours in blocks of commands, and in code within sentences, without ``edgejoule`` itself."""
    whole = [block.replace("\\\n", " ") for block in blocks(text, "sh")]
    within = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    within = [f"{code} --help" if BARE.fullmatch(code) else code for code in within]
    for line in (line for part in (*whole, *within) for line in part.splitlines()):
        for found in CALL.finditer(line.split(" #")[0]):
            words = shlex.split(found["words"])
            if found["program"] == INSTALLER:
                yield [INSTALLER, *words]
            elif words[0] in COMMANDS:
                yield words


def parser_of(name: str) -> argparse.ArgumentParser:
    if name == INSTALLER:
        return installer._parser()
    command = cast("Command", importlib.import_module(f"edgejoule.commands.{name.replace('-', '_')}"))
    parser = argparse.ArgumentParser(prog=f"edgejoule {name}", exit_on_error=False)
    command.add_arguments(parser)
    return parser


def understood(words: list[str]) -> str:
    """Parse a call, without running it; return what is wrong with it."""
    parser = parser_of(words[0])
    try:
        parser.parse_args(words[1:])
    except SystemExit as error:
        return "" if error.code == 0 else shlex.join(words)
    except argparse.ArgumentError as error:
        return f"{shlex.join(words)}: {error}"
    return ""


@pytest.mark.parametrize("name", PAGES)
def test_every_command_is_understood(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = [complaint for words in calls(PAGES[name].read_text(encoding="utf-8")) if (complaint := understood(words))]

    assert wrong == [], capsys.readouterr().err


def test_a_command_that_is_not_there_would_be_found(capsys: pytest.CaptureFixture[str]) -> None:
    block = "```sh\nsudo /opt/x/edgejoule meter  read ppk2 PORT \\\n  --nonsense   # why\n```\n"
    text = f"{block}and `edgejoule agent fly`, `sudo python3 /opt/installer.pyz fly`"

    assert [understood(words) != "" for words in calls(text)] == [True, True, True]
    assert "nonsense" in capsys.readouterr().err


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    return {
        **below,
        **{
            key: merged(below.get(key, {}), value) if isinstance(value, dict) else value
            for key, value in above.items()
        },
    }


@pytest.mark.parametrize("name", PAGES)
def test_every_piece_of_configuration_is_one_that_the_agent_takes(name: str) -> None:
    sample = tomllib.loads((REPOSITORY / "edge_agent" / "agent.sample.toml").read_text(encoding="utf-8"))
    for block in blocks(PAGES[name].read_text(encoding="utf-8"), "toml"):
        document = tomllib.loads(block)
        if "[[device]]" not in block:
            convert_document(merged(sample, document), AgentConfig, name)


def test_the_fleet_file_makes_a_configuration_for_each_of_its_boards(tmp_path: Path) -> None:
    files = [one for one in blocks(PAGES["fifty-boards"].read_text(encoding="utf-8"), "toml") if "[[device]]" in one]
    (tmp_path / "fleet.toml").write_text(files[0], encoding="utf-8")

    fleet = load_fleet(tmp_path / "fleet.toml")

    assert len(files) == 1
    assert [device.id for device in fleet.devices] == ["berlin-01", "berlin-02", "lyon-01"]
    assert [b"window_s = 60.0" in device.config for device in fleet.devices] == [False, False, True]


@pytest.fixture(scope="module")
def sources() -> str:
    """Every text of ours as it is said: pieces of one message joined."""
    files = (path for folder in SOURCES for path in sorted((REPOSITORY / folder).rglob("*.py")))
    return re.sub(r'"\s*\n?\s*f?"', "", "\n".join(path.read_text(encoding="utf-8") for path in files))


def test_every_message_that_stands_as_a_symptom_is_one_of_ours(sources: str) -> None:
    rows = [line for line in PAGES["troubleshooting"].read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    symptoms = [row.split(" | ")[0] for row in rows]
    quoted = [words for symptom in symptoms for words in re.findall(r'"([^"]+)"', symptom)]
    events = [word for symptom in symptoms for word in re.findall(r"`([a-z]+_[a-z_]+)`", symptom)]

    assert len(quoted) + len(events) > 30
    assert [words for words in (*quoted, *events) if words not in sources] == []
