"""The comparison's page: whole in itself, answer and grounds in words, figures that say what they show."""

import html
import re
from collections.abc import Sequence

import msgspec
import pytest

from collector.analysis.comparison.answers import AxisAnswer, PairAnswer, SideGrams, View, ViewAnswer, Winner
from collector.carbon.montecarlo import Percentiles
from collector.web import comparison_words as said
from collector.web.comparison_cases import MAX_CASE_ROWS
from collector.web.comparison_html import MAX_DRAWN_PAIRS, render
from collector.web.comparison_plots import MAX_SWINGS
from tests.fakes.comparisons import SCENARIO, VIEWS, make_cases, make_comparison, make_inadmissible, make_pair
from tests.fakes.html_page import Page

CHANCE: dict[Winner, float] = {"edge": 0.97, "open": 0.6, "cloud": 0.004}
NOTHING = SideGrams(total=Percentiles(p5=0.0, p50=0.0, p95=0.0, unit="gCO2e"), causes={})
GRIDS = AxisAnswer(name="edge.grid", values=("DE", "FR", "SE", "IN"), reference="DE")
LIVES = AxisAnswer(name="edge.lifetime_years", values=tuple(1.0 + n / 2 for n in range(20)), reference=5.0)


def words_of(text: str) -> str:
    """Return what a reader sees: without tags and style."""
    seen = re.sub(r"<style>.*?</style>|<svg.*?</svg>", " ", text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", seen)).replace("\N{NO-BREAK SPACE}", " "))


def plots_of(text: str) -> dict[str, str]:
    """Return what each figure says of itself, by its name."""
    found = re.findall(r'<svg [^>]*aria-label="([^"]*)" class="plot ([\w-]+)"', text)
    assert len(found) == text.count("<svg")
    return {name: html.unescape(label).replace("\N{NO-BREAK SPACE}", " ") for label, name in found}


def plain_pair(winners: Sequence[Winner], views: Sequence[View] = VIEWS[:1]) -> PairAnswer:
    """Return a pair without figures beside the bars, with these winners."""
    pair = msgspec.structs.replace(make_pair(views=views), curves=(), maps=(), tornados=())
    answers = tuple(
        msgspec.structs.replace(view, winner=winner, probability_edge_lower=CHANCE[winner])
        for view, winner in zip(pair.views, winners, strict=True)
    )
    return msgspec.structs.replace(pair, views=answers)


def bare_pair(winners: Sequence[Winner]) -> PairAnswer:
    """Return a pair with nothing but who is lower in each view."""
    views = tuple(
        ViewAnswer(
            view=view, edge=NOTHING, cloud=NOTHING, edge_minus_cloud=NOTHING.total, middle_g=0.0,
            probability_edge_lower=CHANCE[winner], winner=winner,
        )
        for view, winner in zip(VIEWS, winners, strict=False)
    )  # fmt: skip
    return msgspec.structs.replace(make_inadmissible(), admissible=True, faults={}, views=views)


@pytest.fixture(scope="module")
def page() -> str:
    pair = make_pair()
    first = pair.tornados[0]
    small = [
        msgspec.structs.replace(first.swings[-1], factor_id=f"small-{number}", name=f"small {number}")
        for number in range(MAX_SWINGS)
    ]
    tornado = msgspec.structs.replace(first, swings=(*first.swings, *small))
    few = msgspec.structs.replace(pair, tornados=(tornado,), maps=pair.maps[:1], curves=pair.curves[:5])
    return render(make_comparison([few]), None, SCENARIO, "Pi <against> T4")


def test_the_page_is_whole_in_itself(page: str) -> None:
    parsed = Page(page)
    assert page.startswith("<!doctype html>")
    assert parsed.open == []
    assert [load for load in parsed.loads if not load.startswith("#")] == []
    assert {load.removeprefix("#") for load in parsed.loads} <= set(parsed.ids)
    assert re.findall(r"url\((?!#)", page) == []
    assert "@import" not in page
    assert not parsed.tags & {"script", "link", "iframe", "img", "object", "embed"}
    assert len(parsed.ids) == len(set(parsed.ids))
    assert "Pi &lt;against&gt; T4" in page
    assert len(page) < 200_000


def test_it_answers_first_and_says_how_sure_that_is(page: str) -> None:
    words = words_of(page)
    order = [
        "SIMULATED Some", "The answer Every", "It depends on how the network is counted",
        "with the average network.",
        "The cloud is lower in more than 99 of 100 drawn worlds, with the marginal network.",
        "Average network: each byte carries its share of all energy of the network.",
        "It rests on Raspberry Pi 4: joules of a SIMULATED meter (bench record pi4.json, 12 windows behind a TC66C);",
        "What turns the answer, or how sure it is", "average says edge, marginal says cloud <&>",
        "What was compared Functional unit: one keyword", "Raspberry Pi 4 SIMULATED meter bench record",
        "no marginal intensity is known", "Where both are alike", "water unknown 2.00 µL (1.0 to 5.0 µL)",
        "not counted: the training of the model", "screening estimate, not a product footprint: Germany <&>",
        "grid-deu screening estimate, not a product footprint 342 (310 to 380) gCO2e/kWh 2024 Ember, yearly",
        "published mean; range: spread of four tables · CC-BY-4.0", "seed 7, 400 draws", SCENARIO.splitlines()[0],
    ]  # fmt: skip
    places = [words.find(text) for text in order]
    assert places == sorted(places)
    assert places[0] >= 0
    assert "at 86 400 inferences a day" in words
    assert "edgejoule compare scenario.toml --seed 7 --draws 400" in words


def test_every_figure_says_what_it_shows(page: str) -> None:
    figures = plots_of(page)
    kinds = {"key", "bars", "inferences_per_day", "edge_grid", "map", "tornado"}
    assert {re.sub(r"pair-1-|-?\d+$", "", name) for name in figures} == kinds
    assert len(figures) == 1 + 4 + 5 + 1 + 1
    assert page.count("The same in the views between the two") == 1
    assert "Edge 437 µg (350 to 580 µg): inferring" in figures["pair-1-bars0"]
    assert "from 1.0 inferences a day to 1 700 000 inferences a day" in figures["pair-1-inferences_per_day-0"]
    assert (
        "The edge is lower above 120 000 inferences a day (45 000 to 400 000)"
        in figures["pair-1-inferences_per_day-0"]
    )
    assert re.search(r"the edge is lower in \d+ % of the map, the cloud in \d+ %", figures["pair-1-map0"])
    assert "Board, with a rather long name that tells what it is about from" in figures["pair-1-tornado0"]
    assert "which turns the answer" in figures["pair-1-tornado0"]
    assert words_of(page).count(" small-") == MAX_SWINGS - 3, "the figure and its table show as many"
    assert page.count(">alike: 120\N{NO-BREAK SPACE}000</text>") == 4
    assert page.count(">alike: 190</text>") == 1
    assert page.count(">this case</text>") == 5 + 1


def test_break_evens_are_said_in_words_and_views_with_one_answer_together(page: str) -> None:
    words = words_of(page)
    alike = words[words.index("Where both are alike") : words.index("Beside carbon")]
    assert "The edge is lower below 190 gCO2e/kWh (60 to 310). in all views" in alike
    assert "The edge is lower at no value. in all views" in alike
    assert "The edge is lower at any value, at the medians; 2 of 100 drawn worlds have a break-even." in alike
    assert "Not asked: waiting is in the energy of the server already with the marginal network" in alike


@pytest.mark.parametrize(
    ("winners", "headline", "certainty"),
    [
        (["edge"], "The edge emits less", "The edge is lower in 97 of 100 drawn worlds."),
        (["cloud"], "The cloud emits less", "The cloud is lower in more than 99 of 100 drawn worlds."),
        (
            ["open"],
            "Open: neither side is surely lower",
            "The edge is lower in 60 of 100 drawn worlds, the cloud in 40.",
        ),
        (
            ["edge", "open", "edge", "open"],
            "The edge emits less in some views; in others it is open",
            "the cloud in 40, with marginal grid intensity.",
        ),
        (
            ["edge", "cloud", "cloud", "cloud"],
            "It depends on how network and electricity are counted",
            "The cloud is lower in more than 99 of 100 drawn worlds, in all views but average network, average grid.",
        ),
        (
            ["edge", "cloud", "edge", "cloud"],
            "It depends on how electricity is counted",
            "drawn worlds, with marginal grid intensity.",
        ),
    ],
)
def test_the_headline_is_what_the_views_say(winners: list[Winner], headline: str, certainty: str) -> None:
    pair = bare_pair(winners)
    assert said.headline(pair) == headline
    assert certainty in said.certainty(pair)


def test_a_certain_answer_says_what_was_counted_in_several_ways() -> None:
    pair = bare_pair(["edge", "edge", "edge", "edge"])
    for places, words in (
        ([0, 1, 2, 3], "however network and electricity are counted."),
        ([0, 2], "however the network is counted."),
        ([0, 1], "however electricity is counted."),
        ([0], "of 100 drawn worlds."),
    ):
        some = msgspec.structs.replace(pair, views=tuple(pair.views[place] for place in places))
        assert said.certainty(some).endswith(words)


@pytest.mark.parametrize(
    ("chances", "words"),
    [
        ((0.97, 0.97), "97"),
        ((0.96, 0.98), "96 to 98"),
        ((0.96, 0.9999), "at least 96"),
        ((0.96, 1.0), "at least 96"),
        ((0.9999, 1.0), "more than 99"),
        ((1.0, 1.0), "100"),
    ],
)
def test_chances_over_views_are_said_as_one(chances: tuple[float, float], words: str) -> None:
    pair = bare_pair(["edge", "edge"])
    views = tuple(
        msgspec.structs.replace(view, probability_edge_lower=chance)
        for view, chance in zip(pair.views, chances, strict=True)
    )
    assert said.certainty(msgspec.structs.replace(pair, views=views)).startswith(
        f"The edge is lower in {words} of 100"
    )


def test_what_the_answer_depends_on_is_explained_beside_it() -> None:
    assert said.glosses(bare_pair(["edge", "edge", "edge", "edge"])) == ()
    by_both = [term for term, _ in said.glosses(bare_pair(["edge", "edge", "cloud", "open"]))]
    assert by_both == ["average network", "marginal network", "average grid intensity", "marginal grid intensity"]
    by_kind = [term for term, _ in said.glosses(bare_pair(["edge", "cloud", "edge", "cloud"]))]
    assert by_kind == ["average grid intensity", "marginal grid intensity"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("edge.idle_power_w", "edge: idle power, W"),
        ("cloud.t4-big.utilisation_ratio", "cloud t4-big: utilisation, ratio"),
        ("edge.active_power_w, for the time of one inference", "edge: active power, W, for the time of one inference"),
        ("thin_client.j_per_inference", "thin client: J per inference"),
        ("unit.inferences_per_day turns it", "inferences per day turns it"),
        ("measured at the edge. Then nothing", "measured at the edge. Then nothing"),
        ("Germany <&>", "Germany <&>"),
    ],
)
def test_fields_of_the_scenario_are_words(name: str, words: str) -> None:
    assert said.field_words(name) == words


def test_a_page_without_scenario_and_meter_says_neither() -> None:
    pair = msgspec.structs.replace(plain_pair(["edge"]), edge_origin="stated")
    made = render(make_comparison([pair], simulated=False), None, "", "Page", command="edgejoule compare x.toml")
    words = words_of(made)
    assert "edgejoule compare x.toml" in words
    assert "No meter was read." in words
    assert "SIMULATED Some" not in words
    assert "The scenario" not in words.split("How to repeat it")[1]


def test_an_inadmissible_candidate_is_shown_with_the_reason_and_not_compared() -> None:
    pair = plain_pair(["edge"])
    words = words_of(render(make_comparison([pair, make_inadmissible()]), None, "", "Page"))
    assert (
        "Not compared: the cloud cannot do what is asked for cloud: latency of 0.9 s, at most 0.5 s is asked for"
        in words
    )
    assert "T4 in Iowa stated by the author the author's word" in words
    alone = words_of(render(make_comparison([make_inadmissible()]), None, "", "Page"))
    assert "Nothing could be compared" in alone
    assert "T4 in Iowa is inadmissible." in alone
    slow = msgspec.structs.replace(make_inadmissible(), edge="Pi 5")
    both = words_of(render(make_comparison([make_inadmissible(), slow]), None, "", "Page"))
    assert "Raspberry Pi 4 against T4 in Iowa; Pi 5 against T4 in Iowa Not compared: the cloud" in both
    assert both.count("at most 0.5 s is asked for") == 1


def test_many_cases_are_summed_up_by_axis_and_shown_as_far_as_there_is_room() -> None:
    axes = (GRIDS, LIVES)
    comparison = make_comparison([plain_pair(["edge"])], axes=axes)
    cases = make_cases(axes, VIEWS[:1])
    text = render(msgspec.structs.replace(comparison, views=VIEWS[:1]), cases, "", "Page")
    words = words_of(text)
    assert "80 cases" in words
    assert "edge: grid edge.grid DE, FR, SE, IN DE edge: lifetime, years edge.lifetime_years 20 values" in words
    assert "DE edge 25 % open 25 % cloud 25 % inadmissible 25 %" in words
    assert "1 to 2 edge 33 % open 33 % cloud 33 % 2.5 to 3.5" in words
    assert f"The first {MAX_CASE_ROWS} of 80 rows" in words
    assert "2 DE 2 average network, average grid 300 µg 300 µg 50 of 100 open" in words
    assert "inadmissible: cloud: latency of 0.9 s" in words
    assert Page(text).open == []


def test_pairs_beyond_what_is_drawn_stand_in_the_table() -> None:
    pair = msgspec.structs.replace(plain_pair(["edge"]), break_evens=(), beside={})
    pairs = [msgspec.structs.replace(pair, cloud=f"cloud {n}") for n in range(MAX_DRAWN_PAIRS + 2)]
    words = words_of(render(make_comparison(pairs), None, "", "Page"))
    assert "2 more pairs are in the table below" in words
    assert f"Raspberry Pi 4 against cloud {MAX_DRAWN_PAIRS + 1} edge lower" in words
