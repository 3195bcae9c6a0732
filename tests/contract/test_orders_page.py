"""docs/orders.md: its settings, actions, figures and metrics are those of the code."""

import argparse
import importlib
import re
import shlex
from pathlib import Path
from typing import Final

from collector.config import OrdersConfig
from edge_agent.remote.guard import MAX_VALID_NS
from edge_agent.wire.orders import MAX_BLOB_BYTES
from edge_agent.wire.toml_config import decode_toml
from edgejoule.commands.order.actions import ACTIONS
from edgejoule.commands.order.send_verb import DEFAULT_VALID_S
from edgejoule.orders.config import OrderConfig
from edgejoule.orders.dispatch import FIRST_REPEAT_S, LONGEST_REPEAT_S

PAGE: Final = (Path(__file__).parents[2] / "docs" / "orders.md").read_text(encoding="utf-8")


def test_its_settings_are_the_operators() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert decode_toml(block, OrderConfig, "the page").broker.url == "mqtts://broker.lan:8883"


def test_its_table_names_every_action() -> None:
    table = PAGE.partition("| action |")[2].partition("\n\n")[0]
    first_cells = "".join(line.split("|")[1] for line in table.splitlines()[2:])
    assert set(re.findall(r"`([a-z-]+)`", first_cells)) == set(ACTIONS)


def test_its_figures_are_those_of_the_code() -> None:
    assert DEFAULT_VALID_S == 600.0
    assert "valid for ten minutes" in PAGE
    assert f"first after {FIRST_REPEAT_S:g} s" in PAGE
    assert f"every {LONGEST_REPEAT_S:g} s" in PAGE
    assert f"at most {MAX_VALID_NS // (86_400 * 10**9)} days" in PAGE
    assert f"`device_bytes_per_s` ({OrdersConfig().device_bytes_per_s / 2**20:g} MiB/s)" in PAGE
    assert MAX_BLOB_BYTES == 2**30


def test_its_commands_are_understood() -> None:
    parsers = {}
    for name in ("order", "fleet"):
        parsers[name] = argparse.ArgumentParser(exit_on_error=False)
        importlib.import_module(f"edgejoule.commands.{name}").add_arguments(parsers[name])
    calls = [shlex.split(line.partition(" >> ")[0]) for line in re.findall(r"^edgejoule (.*)$", PAGE, re.MULTILINE)]
    assert len(calls) > 8
    for name, *words in calls:
        parsers[name].parse_args(words)
