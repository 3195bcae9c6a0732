"""Samples in a file read back bit by bit; a file that is not whole never has the name."""

import csv
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from firmware_bridge.errors import ConfigurationError, FirmwareBridgeError
from firmware_bridge.samples import F64, SampleBlock
from firmware_bridge.samples_file import COLUMNS, SamplesFile


def blocks() -> list[SampleBlock]:
    def values(n: int, seed: int) -> F64:
        return np.random.default_rng(seed).normal(size=n)

    full = SampleBlock(
        values(3, 1),
        values(3, 2),
        values(3, 3),
        values(3, 4),
        np.array([0, 1, 4], dtype=np.int8),
        np.array([0, 255, 7], dtype=np.uint8),
        np.array([1, 0, 6], dtype=np.uint8),
        np.array([1.5, np.nan, 2.5]),
    )
    return [full, SampleBlock(values(2, 5), values(2, 6), values(2, 7), values(2, 8))]


def test_csv_reads_back_the_same(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    with SamplesFile(path) as file:
        for block in blocks():
            file.write(block)
        assert not path.exists()
    assert file.rows == 5
    rows = list(csv.DictReader(path.read_text().splitlines()))
    first, second = blocks()
    assert list(rows[0]) == list(COLUMNS)
    for name in ("t_device_s", "voltage_v", "current_a", "power_w"):
        expected = [*getattr(first, name).tolist(), *getattr(second, name).tolist()]
        assert [float(row[name]) for row in rows] == expected
    assert [row["logic"] for row in rows] == ["0", "255", "7", "", ""]
    assert [row["counter_j"] for row in rows] == ["1.5", "nan", "2.5", "", ""]
    assert list(tmp_path.iterdir()) == [path]


def test_parquet_reads_back_the_same(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    with SamplesFile(path) as file:
        for block in blocks():
            file.write(block)
    table = pyarrow.parquet.read_table(path)
    assert table.column_names == list(COLUMNS)
    first, second = blocks()
    assert table["power_w"].to_pylist() == [*first.power_w.tolist(), *second.power_w.tolist()]
    assert table["range_index"].to_pylist() == [0, 1, 4, None, None]
    assert table["flags"].to_pylist() == [1, 0, 6, None, None]


def write(path: Path, count: int, error: Exception | None = None) -> None:
    with SamplesFile(path) as file:
        for _ in range(count):
            file.write(blocks()[0])
        if error is not None:
            raise error


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_after_an_error_there_is_no_file(tmp_path: Path, ending: str) -> None:
    with pytest.raises(KeyError):
        write(tmp_path / f"x.{ending}", 1, KeyError())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("path", "message"), [("x.txt", "ends in .csv or .parquet"), ("no/x.csv", "cannot write it")])
def test_what_cannot_be_is_one_line(tmp_path: Path, path: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        SamplesFile(tmp_path / path)


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.csv.part").symlink_to("/dev/full")
    with pytest.raises(FirmwareBridgeError, match=r"x\.csv: cannot write it: No space left on device"):
        write(tmp_path / "x.csv", 1000)
    assert list(tmp_path.iterdir()) == []
