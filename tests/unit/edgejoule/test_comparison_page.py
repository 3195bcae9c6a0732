"""docs/comparison.md names every field of the format and no other, and its schema is that of the JSON."""

import re
from pathlib import Path

import msgspec
import pytest

from collector.analysis.comparison.answers import Comparison
from collector.analysis.comparison.scenario import (
    CloudTable,
    EdgeTable,
    GridTable,
    NetworkTable,
    PricesTable,
    Scenario,
    ThinClientTable,
    UnitTable,
)

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "comparison.md"
SCHEMA = ROOT / "docs" / "comparison.schema.json"
TABLES: dict[str, type[msgspec.Struct]] = {
    "Top level": Scenario,
    "`[unit]`": UnitTable,
    "`[edge]`": EdgeTable,
    "`[cloud]`": CloudTable,
    "`[network]`": NetworkTable,
    "`[thin_client]`": ThinClientTable,
    "`[prices]`": PricesTable,
    "A grid table": GridTable,
}


def rows_of(heading: str) -> list[str]:
    """Return the first cells of the table below a bold heading."""
    _, _, after = PAGE.read_text(encoding="utf-8").partition(f"**{heading}**")
    rows = re.search(r"\n\| field \| \|\n\|---\|---\|\n((?:\|.*\n)+)", after)
    assert rows, f"no table below {heading}"
    return [row.split("|")[1] for row in rows[1].splitlines()]


@pytest.mark.parametrize("heading", TABLES)
def test_every_field_stands_once(heading: str) -> None:
    named = [name for cell in rows_of(heading) for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(field.encode_name for field in msgspec.structs.fields(TABLES[heading]))


@pytest.mark.parametrize("heading", TABLES)
def test_what_is_needed_says_so(heading: str) -> None:
    """A field without a default is marked as needed."""
    text = PAGE.read_text(encoding="utf-8")
    for field in msgspec.structs.fields(TABLES[heading]):
        if field.required:
            row = next(
                line
                for line in text.partition(f"**{heading}**")[2].splitlines()
                if line.startswith("|") and f"`{field.encode_name}`" in line.split("|")[1]
            )
            assert "needed" in row.split("|")[2], row


def test_the_schema_is_the_jsons() -> None:
    schema = msgspec.json.format(msgspec.json.encode(msgspec.json.schema(Comparison)), indent=1).decode()
    assert SCHEMA.read_text(encoding="utf-8") == schema + "\n", "write the schema again"


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / target).exists(), target
