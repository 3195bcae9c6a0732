"""Texts beside models: what is written is read again, and nothing in it moves a terminal's cursor."""

import os
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.wire.errors import ConfigurationError
from edgejoule.cli import main
from edgejoule.zoo.catalog_file import read_catalog, write_catalog
from edgejoule.zoo.entry import Catalog
from edgejoule.zoo.latency import read_latencies, write_latencies
from edgejoule.zoo.text_files import toml_text, write_in_one_step
from tests.unit.edgejoule.test_model_card import make_entry, make_family, make_latency


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_read_as_it_was_written(text: str) -> None:
    assert tomllib.loads(f"text = {toml_text(text)}") == {"text": text}


def test_a_file_is_as_before_or_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_in_one_step(path, "é")
    assert path.read_text(encoding="utf-8") == "é"
    (path.parent / f".file.{os.getpid()}.part").mkdir()
    with pytest.raises(ConfigurationError, match="file: cannot be written: Is a directory; make room, or name"):
        write_in_one_step(path, "more")
    assert path.read_text(encoding="utf-8") == "é"


@pytest.mark.parametrize("text", ["red \x1b[31m", "\x9b31m", "bell \a", "back \r", "\x7f"])
def test_what_could_command_a_terminal_is_refused_by_name(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    family = make_family(limits=["none", "here"])
    path = write_catalog(tmp_path, Catalog(family=[family], model=[make_entry()]))
    path.write_text(path.read_text(encoding="utf-8").replace('"here"', toml_text(text)), encoding="utf-8")

    assert main(["models", "list", "--catalog-dir", str(tmp_path)]) == 2

    error = capsys.readouterr().err
    assert error == f"edgejoule: {path}: {text!r} holds control characters; take them out\n"
    with pytest.raises(ConfigurationError, match="holds control characters"):
        write_catalog(tmp_path, Catalog(family=[msgspec.structs.replace(family, task=text)]))
    write_latencies(tmp_path, [make_latency(processor=text)])
    with pytest.raises(ConfigurationError, match=r"latency\.toml.* holds control characters"):
        read_latencies(tmp_path)


def test_tabs_lines_and_other_alphabets_are_texts(tmp_path: Path) -> None:
    family = make_family(task="two\nlines\tand タスク é \u2019 \xa0")
    write_catalog(tmp_path, Catalog(family=[family], model=[make_entry()]))

    assert read_catalog(tmp_path).family == [family]
