"""What must hold for every model that comes along: its card, its catalogue entry and its files say one thing."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.model_latency import with_table
from edge_agent.model_catalog import models_dir
from edgejoule.zoo.card import card, overview, points_from_float
from edgejoule.zoo.catalog_file import catalog_text, read_catalog
from edgejoule.zoo.entry import NOT_STATED, Family, ModelEntry
from edgejoule.zoo.graph import facts_of
from edgejoule.zoo.latency import latencies_of, read_latencies

MODELS = models_dir()
PAGE = Path(__file__).parents[2] / "docs" / "models.md"
CATALOG = read_catalog(MODELS)
LATENCIES = read_latencies(MODELS)
MOST_BYTES = 6_000_000
MOST_CHECK_SET_BYTES = 150_000
POINT = 1.0

families = pytest.mark.parametrize("family", CATALOG.family, ids=lambda one: str(one.id))
models = pytest.mark.parametrize("entry", CATALOG.model, ids=lambda one: str(one.id))


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


@families
def test_the_card_is_what_the_catalogue_says(family: Family) -> None:
    page = (MODELS / family.id / "card.md").read_text(encoding="utf-8")

    assert page == card(family, CATALOG.members(family.id), LATENCIES), "write it again: make bench-models"


@families
def test_a_card_leaves_nothing_open_that_a_person_has_to_state(family: Family) -> None:
    for text in (family.data, family.data_licence, family.licence, family.intended_use, family.test_set):
        assert text not in {"", NOT_STATED}
    assert family.limits
    assert family.metric != "none"
    assert family.development is not None
    assert family.development.development_energy_j > 0.0
    assert family.trained_with


@families
def test_a_family_has_a_recipe_and_nothing_but_its_files(family: Family) -> None:
    assert family.recipe == f"recipes/{family.id}.py"
    assert (MODELS / family.recipe).is_file()
    named = {MODELS / one.file for one in CATALOG.members(family.id)} | {MODELS / family.id / "card.md"}
    if family.check_set.startswith(f"{family.id}/"):
        named.add(MODELS / family.check_set)
    assert set(files_of(MODELS / family.id)) == named


@families
def test_int8_is_within_a_point_of_float32_or_a_limit_says_why_not(family: Family) -> None:
    members = CATALOG.members(family.id)
    assert {"int8", "float32"} <= {one.precision for one in members}
    for one in members:
        points = points_from_float(one, members)
        assert points is not None
        assert abs(points) <= POINT or any(one.precision.replace("_", " ") in limit for limit in family.limits), points


@families
def test_a_check_set_is_held_out_small_and_says_its_scale(family: Family) -> None:
    if not family.check_set:
        assert any("check set" in limit for limit in family.limits)
        return
    path = MODELS / family.check_set
    assert path.stat().st_size <= MOST_CHECK_SET_BYTES
    assert hashlib.sha256(path.read_bytes()).hexdigest() == family.check_set_sha256
    int8 = next(one for one in CATALOG.members(family.id) if one.precision == "int8")
    source = facts_of((MODELS / int8.file).read_bytes()).inputs[0]
    with np.load(path) as arrays:
        assert arrays["x"].dtype == np.int8
        assert list(arrays["x"].shape[1:]) == int8.input_shape[1:]
        assert (float(arrays["scale"]), int(arrays["zero_point"])) == (source.scale, source.zero_point)
        assert len(arrays["y" if family.metric == "accuracy" else "anomalous"]) == len(arrays["x"])


@models
def test_the_catalogue_says_what_the_file_is(entry: ModelEntry) -> None:
    data = (MODELS / entry.file).read_bytes()
    facts = facts_of(data)
    (source,), (target,) = facts.inputs, facts.outputs

    assert entry.id == f"{entry.family}_{entry.precision}"
    assert (entry.sha256, entry.size_bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert (entry.macs, entry.parameters, entry.zero_parameters) == (
        facts.macs,
        facts.parameters,
        facts.zero_parameters,
    )
    assert (entry.precision, entry.operators) == (facts.precision, facts.operators)
    assert entry.activation_bytes == facts.activation_bytes
    assert (entry.input_shape, entry.input_dtype) == (source.shape, source.dtype)
    assert (entry.output_shape, entry.output_dtype) == (target.shape, target.dtype)
    if entry.precision == "int8":
        assert facts.not_int8 == []


@models
def test_a_score_has_an_interval_and_a_test_set(entry: ModelEntry) -> None:
    assert entry.score is not None
    assert entry.score.low <= entry.score.value <= entry.score.high
    assert entry.score.low < entry.score.high
    assert entry.score.count > 0
    assert entry.runtimes


@models
def test_a_latency_was_measured_on_just_this_file(entry: ModelEntry) -> None:
    rows = latencies_of([entry], LATENCIES)

    assert {("litert", 1)} <= {(row.runtime, row.threads) for row in rows}, "measure it: make bench-models"


def test_no_latency_is_of_a_file_that_is_gone() -> None:
    assert len(latencies_of(CATALOG.model, LATENCIES)) == len(LATENCIES), "measure again: make bench-models"


def test_the_models_are_small_enough_to_be_committed() -> None:
    assert sum(path.stat().st_size for path in files_of(MODELS)) < MOST_BYTES


def test_the_catalogue_is_written_as_the_command_writes_it() -> None:
    assert (MODELS / "catalog.toml").read_text(encoding="utf-8") == catalog_text(CATALOG)


def test_the_page_has_the_table_of_all_models() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert with_table(page, overview(CATALOG)) == page, "write it again: make bench-models"
    assert set(re.findall(r"edgejoule models (\w+)", page)) >= {"list", "show", "verify", "train", "import"}
