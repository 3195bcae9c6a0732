"""Embodied figures from a BoaviztAPI server: what is asked, what is believed, and that an inventory can read it."""

import json
from collections.abc import Iterator

import pytest

from collector.embodied_api import BoaviztApi, inventory_lines
from collector.intensity.errors import SourceError
from collector.intensity.http import JsonClient
from collector.inventory import embodied_parts, parse_inventory
from edgejoule.cli import main
from tests.fakes.boavizta_server import NO_DISTRIBUTION, Boavizta, impact
from tests.fakes.json_server import JsonServer, Reply, as_json, json_server


@pytest.fixture
def server() -> Iterator[JsonServer]:
    blocks = {("processing", "HSL-2"): 3.5, ("memory", "HSL-1"): 0.25}
    with json_server(Boavizta(blocks=blocks, archetypes={"small": (900.0, 460.0, 2087.0)})) as state:
        yield state


def api(server: JsonServer) -> BoaviztApi:
    return BoaviztApi(JsonClient(server.url, retries=0))


def command(server: JsonServer, *words: str) -> int:
    return main(["carbon", "boavizta", *words, "--url", server.url])


def test_a_connected_device_is_asked_for_block_by_block(server: JsonServer) -> None:
    figures = api(server).embodied("iot", {"processing": "HSL-2", "memory": "HSL-1"})
    assert [(figure.what, figure.gwp.value) for figure in figures] == [
        ("iot processing HSL-2", 3.5),
        ("iot memory HSL-1", 0.25),
    ]
    assert figures[0].adp is None
    assert figures[0].pe is not None
    assert (figures[0].pe.value, figures[0].pe.unit) == (13.0 * 3.5, "MJ")
    assert figures[0].warnings == (NO_DISTRIBUTION,)
    assert figures[0].version == "2.5.0"
    assert json.loads(server.asked[1].body)["functional_blocks"] == [{"type": "processing", "hsl_level": "HSL-2"}]


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e999"])
def test_a_number_that_json_has_no_word_for_is_not_sent(
    server: JsonServer, number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As null it would stand for whatever the server takes for usual."""
    assert command(server, "component/ram", f"capacity={number}") == 2
    assert f"'{number}' is no number" in capsys.readouterr().err
    assert not any(asked.path.endswith("ram") for asked in server.asked)


def test_components_have_attributes_and_a_range(server: JsonServer) -> None:
    (figure,) = api(server).embodied("component/ram", {"capacity": "8", "units": "2"})
    assert figure.gwp.range == pytest.approx((32.0, 22.4, 54.4))
    assert figure.gwp.unit == "kgCO2e"
    assert '"capacity": 8.0' in figure.gwp.source


def test_servers_are_archetypes(server: JsonServer) -> None:
    (figure,) = api(server).embodied("server", {"archetype": "small"})
    assert figure.gwp.range == (900.0, 460.0, 2087.0)
    assert server.asked[-1].params == {"verbose": "false", "archetype": "small"}


def test_a_value_that_is_rounded_past_its_own_end_is_taken(server: JsonServer) -> None:
    server.replies += [
        as_json("2.5.0"),
        as_json({"impacts": {"gwp": impact("kgCO2eq", 11.110000000000001, 11.11, 11.11)}}),
    ]
    (figure,) = api(server).embodied("server", {"archetype": "small"})
    assert figure.gwp.low == 11.11
    assert figure.gwp.value == figure.gwp.high == 11.110000000000001


def test_what_the_server_counts_as_nothing_is_unknown(server: JsonServer) -> None:
    with pytest.raises(SourceError, match=r"has no embodied figure for iot \{'sensing': 'HSL-1'\}"):
        api(server).embodied("iot", {"processing": "HSL-2", "sensing": "HSL-1"})


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (as_json({"impacts": {}}), "has no embodied figure"),
        (as_json({"impacts": {"gwp": impact("gCO2eq", 1.0, 1.0, 1.0)}}), "gwp in 'gCO2eq' instead of kgCO2eq"),
        (as_json({"impacts": {"gwp": {"unit": "kgCO2eq"}}}), "not as its documentation says"),
        (as_json({"detail": [{"msg": "no number"}]}, 422), "answers 422"),
        (Reply(500, b"Internal Server Error"), "answers 500: Internal Server Error"),
        (Reply(drop=True), "not reachable"),
    ],
)
def test_other_answers_are_one_line(server: JsonServer, reply: Reply, says: str) -> None:
    server.replies += [as_json("2.5.0"), reply]
    with pytest.raises(SourceError) as caught:
        api(server).embodied("server", {"archetype": "small"})
    assert says in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_an_inventory_takes_the_part_as_it_is_written(server: JsonServer) -> None:
    (figure,) = api(server).embodied("component/ram", {"capacity": "8"})
    lines = inventory_lines(figure, 'memory "8 GB"')
    text = "\n".join(['[[device]]\nid = "pi-1"\nlifetime_years = 5.0', *lines])
    entry = parse_inventory(text).device("pi-1")
    assert entry is not None
    (part,) = embodied_parts(entry)
    assert part.name == 'memory "8 GB"'
    assert part.mass_kgco2e() == pytest.approx(16.0)
    assert part.factor.estimate.range == pytest.approx((16.0, 11.2, 27.2))
    assert "BoaviztAPI 2.5.0, /v1/component/ram" in part.factor.source
    assert "# abiotic depletion: 0.004 kgSbeq (0.003 to 0.005)" in lines


def test_what_a_server_says_cannot_end_a_comment_or_steer_a_terminal(server: JsonServer) -> None:
    server.replies += [
        as_json("2.5.0"),
        as_json({"impacts": {"gwp": impact("kgCO2eq", 1.0, 1.0, 2.0, "red \x1b[31m\x00 line\u2028[[shared]]")}}),
    ]
    lines = inventory_lines(api(server).embodied("server", {"archetype": "small"})[0])
    assert all(line.isprintable() for line in lines)
    assert parse_inventory("\n".join(['[[device]]\nid = "a"\nlifetime_years = 5.0', *lines])).devices


def test_the_command_writes_parts(server: JsonServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(server, "iot", "processing=HSL-2", "memory=HSL-1", "--name", "camera") == 0
    out = capsys.readouterr().out
    assert out.count("[[device.part]]") == 2
    assert 'name = "camera iot memory HSL-1"' in out
    assert "states no range" in out
    assert parse_inventory(f'[[device]]\nid = "cam"\nlifetime_years = 4.0\n{out}').device("cam") is not None


def test_the_command_writes_json(server: JsonServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(server, "server", "archetype=small", "--json") == 0
    (figure,) = json.loads(capsys.readouterr().out)
    assert figure["gwp"] == {
        "value": 900.0, "low": 460.0, "high": 2087.0, "unit": "kgCO2e",
        "source": 'BoaviztAPI 2.5.0, /v1/server/ {"archetype": "small"}',
    }  # fmt: skip


def test_the_command_lists_what_there_is(server: JsonServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(server, "--list") == 0
    kinds = [
        "cloud/instance",
        "component/component_one",
        "iot",
        "peripheral/peripheral_one",
        "server",
        "terminal/terminal_one",
    ]
    assert capsys.readouterr().out.split() == kinds
    assert command(server, "--list", "--json") == 0
    assert json.loads(capsys.readouterr().out) == kinds


def test_what_there_is_not_is_exit_1_and_one_line(server: JsonServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(server, "server", "archetype=huge") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert 'answers 404: {"detail": "huge not found"}; see what there is with: carbon boavizta --list' in said.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "name what to ask for"),
        (["iot"], "which blocks?"),
        (["iot", "processing"], "'processing' is no NAME=VALUE"),
        (["iot", "brain=HSL-1"], "no block 'brain'; known: processing"),
        (["iot", "processing=HSL-9"], "no level 'HSL-9'; known: HSL-0"),
    ],
)
def test_questions_that_cannot_be_asked_are_exit_2_and_one_line(
    server: JsonServer, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(server, *words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert says in said.err
    assert len(said.err.splitlines()) == 1
    assert server.asked == []


def test_an_address_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["carbon", "boavizta", "server", "--url", "localhost"]) == 2
    assert "not a server's address" in capsys.readouterr().err
