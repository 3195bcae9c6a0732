"""A family's card says all that the catalogue knows, and what nobody knows is said to be unknown."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_agent.wire.errors import ConfigurationError
from edgejoule.cli import main
from edgejoule.zoo.card import card, points_from_float
from edgejoule.zoo.catalog_file import write_catalog
from edgejoule.zoo.entry import Catalog, Development, Family, ModelEntry, Score
from edgejoule.zoo.latency import Latency, latencies_of, read_latencies, usual_latency, write_latencies

SHA256 = "0123456789abcdef" * 4


def make_family(**changes: Any) -> Family:
    facts: dict[str, Any] = {
        "id": "gestures",
        "task": "gesture recognition",
        "architecture": "a small network",
        "benchmark": "SWW",
        "classes": ["wave", "point"],
        "data": "watches",
        "data_package": "seglearn",
        "data_licence": "BSD-3-Clause",
        "licence": "Apache-2.0",
        "metric": "accuracy",
        "test_set": "two subjects never seen",
        "check_set": "gestures/check_set.npz",
        "check_set_sha256": SHA256,
        "recipe": "recipes/gestures.py",
        "seed": 7,
        "trained_with": ["jax 0.10"],
        "intended_use": "a :heart: load for energy measurements",
        "limits": ["it knows ten people only"],
    }
    return Family(**(facts | changes))


def make_entry(precision: str = "int8", value: float | None = 0.9, **changes: Any) -> ModelEntry:
    score = (
        None if value is None else Score(value=value, low=value - 0.02, high=value + 0.02, count=300, method="Wilson")
    )
    facts: dict[str, Any] = {
        "id": f"gestures_{precision}",
        "family": "gestures",
        "precision": precision,
        "file": f"gestures/{precision}.tflite",
        "sha256": SHA256,
        "size_bytes": 74_520,
        "input_shape": [1, 30, 1, 40],
        "input_dtype": "int8",
        "output_shape": [1, 2],
        "output_dtype": "int8",
        "parameters": 46_883,
        "zero_parameters": 1_234,
        "macs": 826_368,
        "activation_bytes": 4_800,
        "arena_bytes": 16_640,
        "runtimes": ["litert 2.3.0", "tflite-runtime 2.14.0"],
        "score": score,
        "check_set_score": 0.895,
    }
    return ModelEntry(**(facts | changes))


def make_latency(**changes: Any) -> Latency:
    facts: dict[str, Any] = {
        "model": "gestures_int8",
        "sha256": SHA256,
        "runtime": "litert",
        "version": "2.3.0",
        "delegate": "xnnpack",
        "threads": 1,
        "p50_us": 10.5,
        "p95_us": 12.0,
        "processor": "a processor",
        "date": "2026-11-20",
    }
    return Latency(**(facts | changes))


def make_development(**changes: Any) -> Development:
    facts: dict[str, Any] = {
        "development_energy_j": 24_137.0,
        "development_energy_u_j": 9_600.0,
        "method": "cpu_time",
        "duration_s": 612.0,
        "cpu_s": 1_180.0,
        "processor": "a processor",
        "boundary": "cores of the processor",
        "date": "2026-11-19",
    }
    return Development(**(facts | changes))


def test_a_card_says_all_that_the_catalogue_knows() -> None:
    page = card(
        make_family(development=make_development(reused=["teacher"])),
        [make_entry(), make_entry("float32", 0.906)],
        [make_latency()],
    )

    for word in (
        *("gestures", "Gesture recognition.", "a small network", "MLPerf Tiny's SWW", "wave, point", "watches"),
        *("seglearn", "BSD-3-Clause", "Apache-2.0", "two subjects never seen", "gestures/check_set.npz", SHA256),
        *("recipes/gestures.py", "seed 7", "jax 0.10", "load for energy", "It knows ten people only."),
        *("826,368", "46,883", "1,234", "74,520", "4,800", "16,640", "int8 [1, 30, 1, 40]", "tflite-runtime 2.14.0"),
        *("90.00%", "88.00% to 92.00%", "Wilson, n = 300", "-0.60", "89.50%", "10.5", "12.0", "2.3.0", "2026-11-20"),
        *(
            "24.1 ± 9.6 kJ",
            "2026-11-19",
            "0.00670 kWh",
            "612 s",
            "1,180 s of CPU",
            "cores of the processor",
            "making of teacher",
        ),
        "edgejoule models train gestures",
    ):
        assert word in page, word
    assert "unknown" not in page.casefold()


@pytest.mark.parametrize(("method", "times"), [("cpu_time", 1), ("rapl", 0), ("meter", 0)])
def test_joules_that_no_instrument_measured_are_said_to_be_modelled(method: str, times: int) -> None:
    page = card(make_family(development=make_development(method=method)), [make_entry()])

    assert page.count("modelled, not measured") == times


def test_what_nobody_knows_is_unknown_and_not_a_zero() -> None:
    nothing = Family(id="mine", task="mine", architecture="not stated")
    entry = make_entry(
        "mixed", None, family="mine", activation_bytes=None, arena_bytes=None, check_set_score=None, runtimes=[]
    )
    page = card(nothing, [entry])

    for line in (
        *("| score | not measured |", "| bytes of TFLM's arena | unknown |", "| points from float32 | unknown |"),
        *("| most bytes of activations | unknown |", "| runs with | not tried |", "Unknown: nobody measured it."),
        *("There is no recipe", "Its limits: not stated.", "| licence of the data | not stated |"),
    ):
        assert line in page, line


def test_a_family_without_a_model_has_a_card() -> None:
    assert card(make_family(), []).startswith("# gestures\n")


def test_a_bar_in_a_text_does_not_break_the_table() -> None:
    page = card(make_family(data="either | or"), [make_entry()])

    assert "| data | either \\| or |" in page


def test_points_are_those_of_the_twin_in_the_same_family() -> None:
    int8, twin = make_entry(value=0.894), make_entry("float32", 0.9)
    other = make_entry("float32", 0.5, id="other_float32", family="other")

    assert points_from_float(int8, [other, int8, twin]) == pytest.approx(-0.6)
    assert points_from_float(twin, [other, int8, twin]) == 0.0
    assert points_from_float(int8, [other, int8]) is None
    assert points_from_float(make_entry(value=None), [twin]) is None


def test_a_latency_of_another_file_says_nothing_of_this_one() -> None:
    stale = make_latency(sha256="f" * 64, p50_us=99.0)

    assert latencies_of([make_entry()], [stale, make_latency()]) == [make_latency()]
    assert "Not measured." in card(make_family(), [make_entry()], [stale])


def test_the_usual_latency_is_of_one_thread_and_the_fastest_runtime() -> None:
    rows = [make_latency(p50_us=9.0, threads=2), make_latency(), make_latency(p50_us=100.0, delegate="none")]

    assert usual_latency(make_entry(), rows) == make_latency()
    assert usual_latency(make_entry(), rows[:1]) is None


def test_latencies_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = [make_latency(), make_latency(model="b", processor='a "quoted" one\t')]

    assert read_latencies(tmp_path) == []
    path = write_latencies(tmp_path, rows)
    assert read_latencies(tmp_path) == rows
    path.write_text(path.read_text(encoding="utf-8").replace("threads = 1", "threads = 'one'"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"latency\.toml.*threads"):
        read_latencies(tmp_path)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a catalogue with two families."""
    models = [
        make_entry(),
        make_entry("float32", 0.906),
        make_entry(id="a_name_of_somebodys_own_that_is_long", family="walks", macs=12),
    ]
    write_catalog(
        tmp_path, Catalog(family=[make_family(), make_family(id="walks", task="How people walk")], model=models)
    )
    write_latencies(tmp_path, [make_latency()])
    return tmp_path


def _listed(directory: Path, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main(["models", "list", "--catalog-dir", str(directory), "--json", *words]) == 0
    return [model["id"] for model in json.loads(capsys.readouterr().out)["models"]]


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (["--precision", "float32"], ["gestures_float32"]),
        (["--task", "walk"], ["a_name_of_somebodys_own_that_is_long"]),
        (["--family", "gestures"], ["gestures_int8", "gestures_float32"]),
        (["--family", "gestures_int8", "--precision", "int8"], ["gestures_int8"]),
    ],
    ids=" ".join,
)
def test_list_filters(words: list[str], ids: list[str], directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _listed(directory, capsys, *words) == ids


def test_a_filter_that_no_model_fits_names_the_tasks(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--catalog-dir", str(directory), "--task", "speech"]) == 2

    assert "How people walk; gesture recognition" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("columns", "figures", "left_out"),
    [
        (30, "", "MACs, params, bytes, arena, p50"),
        (60, "   826 k  46.9 k", "bytes, arena, p50"),
        (77, "   826 k  46.9 k  74.5 k  16.6 k", "p50"),
        (80, "   826 k  46.9 k  74.5 k  16.6 k  10.5 µs", ""),
        (200, "   826 k  46.9 k  74.5 k  16.6 k  10.5 µs", ""),
    ],
)
def test_list_for_people(
    columns: int,
    figures: str,
    left_out: str,
    directory: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["models", "list", "--catalog-dir", str(directory)]) == 0

    lines = capsys.readouterr().out.replace("\N{NO-BREAK SPACE}", " ").splitlines()
    text = " ".join(" ".join(lines).split())
    assert "gestures: gesture recognition (MLPerf Tiny SWW)" in text
    (row,) = (line for line in lines if line.startswith("  int8 "))
    assert row.endswith(f" 90.0% (88.0-92.0){figures}")
    assert len(row) <= max(columns, 37)
    assert any(line.split()[0] == "a_name_of_somebodys_own_that_is_long" for line in lines if line)
    assert (f"No room here for {left_out}." in text) == bool(left_out)
    assert ("p50: one thread" in text) == (not left_out)
    assert "…" not in text


def test_show_gives_the_card_as_it_is_written(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "gestures_int8", "--card", "--catalog-dir", str(directory)]) == 0

    models = [make_entry(), make_entry("float32", 0.906)]
    assert capsys.readouterr().out == card(make_family(), models, [make_latency()])


def test_show_keeps_a_long_name_whole_in_eighty_columns(
    directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    name = "a_name_of_somebodys_own_that_is_long"
    write_latencies(directory, [make_latency(model=name, delegate="a_delegate_with_a_name_that_is_long_as_well.so")])
    assert main(["models", "show", name, "--catalog-dir", str(directory)]) == 0

    text = capsys.readouterr().out
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_show_as_json_is_of_the_model_that_is_named(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "gestures_int8", "--json", "--catalog-dir", str(directory)]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert [model["id"] for model in answer["models"]] == ["gestures_int8"]
    assert answer["points_from_float32"]["gestures_int8"] == pytest.approx(-0.6)
    assert answer["family"]["id"] == "gestures"
    assert [msgspec.convert(row, Latency) for row in answer["latencies"]] == [make_latency()]


def test_show_names_what_there_is_for_a_name_that_is_not(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "nothing", "--catalog-dir", str(directory)]) == 2

    assert "families: gestures, walks" in capsys.readouterr().err
