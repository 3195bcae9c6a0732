"""docs/embodied.md: its table comes from the engine, its keys are keys of the inventory, its commands exist."""

import re
import shlex
from pathlib import Path

from collector.analysis.embodied_map import BoardMap, MapQuestion, embodied_maps
from collector.device_entry import DeviceRow
from collector.intensity.yearly_table import load_yearly_table
from edgejoule.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "embodied.md").read_text(encoding="utf-8")


def row(one: BoardMap) -> str:
    mass = one.mass.scaled(0.001)
    shares = " | ".join(f"{cell.embodied_share.value:.0%}" for cell in one.cells)
    return (
        f"| {one.board} | {mass.value:.3g} ({mass.low:.3g} to {mass.high:.3g}) | {one.cells[0].mean_power_w:.3g} "
        f"| {shares} | {one.break_even_gco2e_per_kwh['5']:.0f} |"
    )


def test_the_table_of_the_map_is_what_the_engine_says() -> None:
    question = MapQuestion(zones=("SE", "DE", "IN"), duties=(0.5,), years=(5.0,))
    rows = [row(one) for one in embodied_maps(question, load_yearly_table())]
    assert len(rows) == 11
    assert [line for line in rows if line not in PAGE] == []


def test_the_keys_that_the_page_names_are_keys_of_the_inventory() -> None:
    tables = PAGE[PAGE.index("## A device") : PAGE.index("## Ten per cent")]
    named = {key for cells in re.findall(r"^\|[^|]+\|([^|]+)\|", tables, re.MULTILINE) for key in keys(cells)}
    fields = {*DeviceRow.__struct_fields__, "by", "weights", "users"}
    assert len(named) > 15
    assert named - fields == set()


def keys(cell: str) -> list[str]:
    """Return the words in back quotes, without values, tables and what is no key."""
    return list(re.findall(r"`(\w+)(?: = [^`]*)?`", cell))


def test_the_commands_of_the_page_run(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.toml"
    inventory.write_text('[[device]]\nid = "x"\nhardware = "pi-4"\nlifetime_years = 5\n', encoding="utf-8")
    commands = [shlex.split(text) for text in re.findall(r"\| `edgejoule (carbon [^`]+)`", PAGE)]
    assert len(commands) == 4
    for words in commands:
        assert main([str(inventory) if word == "inventory.toml" else word for word in words]) == 0
