"""The latencies of models: what a row is of, and where it is written."""

import math
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.model_latency import (
    SHARED_CORES,
    busy_cores,
    main,
    merged,
    spans_us,
    threads_to_try,
    ways,
)
from edge_agent.model_catalog import models_dir
from edgejoule.zoo.catalog_file import find_entry
from edgejoule.zoo.latency import Latency, read_latencies, write_latencies

MODEL_ID = "digits_mlp_int8"


def make_row(**changes: Any) -> Latency:
    facts: dict[str, Any] = {
        "model": MODEL_ID,
        "sha256": find_entry(models_dir(), MODEL_ID).sha256,
        "runtime": "an engine",
        "version": "1",
        "delegate": "none",
        "threads": 1,
        "p50_us": 1.0,
        "p95_us": 2.0,
        "processor": "another",
        "date": "2026-01-01",
    }
    return Latency(**(facts | changes))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a copy of the catalogue that a test may change."""
    copy = tmp_path / "models"
    shutil.copytree(models_dir(), copy)
    return copy


def test_rows_of_a_model_and_what_is_known_of_others_stay(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere, stale = make_row(), make_row(sha256="f" * 64)
    write_latencies(directory, [elsewhere, stale])
    words = [
        "--write",
        "--catalog-dir",
        str(directory),
        "--family",
        "digits_mlp",
        "--rounds",
        "1",
        "--span-s",
        "0.001",
    ]

    assert main(words) == 0

    rows = [row for row in read_latencies(directory) if row.model == MODEL_ID]
    assert elsewhere in rows
    assert stale not in rows
    measured = [row for row in rows if row.runtime == "litert"]
    assert len({(row.delegate, row.threads) for row in measured}) == len(measured)
    assert len(measured) in {len(ways()), len(ways(1))}  # as busy as the machine is
    assert all(0.0 < row.p50_us <= row.p95_us for row in measured)
    assert {row.sha256 for row in measured} == {find_entry(directory, MODEL_ID).sha256}
    assert f"litert {measured[0].version}" in find_entry(directory, MODEL_ID).runtimes
    card = (directory / "digits_mlp" / "card.md").read_text(encoding="utf-8")
    assert "| an engine 1 | none | 1 | 1.0 | 2.0 |" in card
    assert f"{MODEL_ID}: litert " in capsys.readouterr().out


def test_no_round_writes_the_cards_again_with_what_is_known(directory: Path) -> None:
    write_latencies(directory, [make_row()])
    (directory / "digits_mlp" / "card.md").unlink()

    assert main(["--write", "--catalog-dir", str(directory), "--rounds", "0"]) == 0

    assert read_latencies(directory) == [make_row()]
    assert "| an engine 1 | none | 1 | 1.0 | 2.0 |" in (directory / "digits_mlp" / "card.md").read_text(
        encoding="utf-8"
    )


def test_a_new_row_takes_the_place_of_the_same_engine_and_processor_only() -> None:
    other_engine, other_machine = make_row(runtime="b"), make_row(processor="b")

    kept = merged([make_row(delegate="old"), other_engine, other_machine], [make_row()])

    assert kept == [other_engine, other_machine, make_row()]


def test_every_call_is_timed_but_the_first_ones() -> None:
    calls: list[int] = []

    spans = spans_us(lambda tensor: calls.append(len(tensor)), [np.zeros(1)] * 3, 0.0)

    assert len(calls) == len(spans) + 3
    assert len(spans) >= 20
    assert all(one >= 0.0 for one in spans)


def test_a_busy_machine_is_not_asked_for_several_threads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert threads_to_try(0.05) == threads_to_try(math.nan) == SHARED_CORES
    assert capsys.readouterr().err == ""
    assert threads_to_try(1.4) == 1
    assert "others keep 1.4 cores busy" in capsys.readouterr().err
    assert math.isnan(busy_cores(tmp_path / "nothing"))
    assert 0.0 <= busy_cores(wait_s=0.05) <= (os.cpu_count() or 1)


def test_a_catalogue_that_is_none_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--catalog-dir", str(tmp_path)]) == 2

    assert capsys.readouterr().err.count("\n") == 1
