"""Which target a board is: each supported one is found, whatever else is refused in one line with its remedy."""

from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.wire.errors import ConfigurationError
from edgejoule.deploy.onboard.board import board_facts
from edgejoule.deploy.targets import (
    BoardFacts,
    Target,
    board_fits,
    facts_from,
    find_target,
    glibc_numbers,
    read_targets,
    target_of,
)

TARGETS = read_targets()
WORDS = st.one_of(
    st.sampled_from(["debian", "ubuntu", "raspbian", "12", "13", "22.04", "aarch64", "armv6l"]), st.text()
)


@st.composite
def boards_of(draw: st.DrawFn, target: Target) -> BoardFacts:
    """Draw a board that ``target`` is for: any of its machines and systems, its C library or a later one."""
    os_id = draw(st.sampled_from(sorted(target.os)))
    version = draw(st.sampled_from(target.os[os_id])) + draw(st.sampled_from(["", ".1", ".11"]))
    major, minor = target.glibc_version
    return BoardFacts(
        machine=draw(st.sampled_from(target.machines)),
        bits=target.bits,
        glibc=draw(st.none() | st.integers(minor, minor + 20).map(lambda one: f"{major}.{one}")),
        os_id=os_id,
        os_version=version,
        l4t=draw(st.none() | st.sampled_from([f"R{one}.4.3" for one in target.l4t] or ["R99"])),
        pythons=draw(st.none() | st.just(("3.8.10", f"{target.python}.{draw(st.integers(0, 20))}"))),
    )


@pytest.mark.parametrize("target", TARGETS.target, ids=lambda one: one.id)
@given(data=st.data())
def test_a_board_of_a_target_is_known_as_that(target: Target, data: st.DataObject) -> None:
    facts = data.draw(boards_of(target))

    assert target_of(facts, TARGETS) is target
    assert board_fits(facts, target)


@pytest.mark.parametrize("target", TARGETS.target, ids=lambda one: one.id)
@given(data=st.data())
def test_an_older_c_library_is_refused(target: Target, data: st.DataObject) -> None:
    facts = data.draw(boards_of(target))
    minor = data.draw(st.integers(0, target.glibc_version[1] - 1))
    older = msgspec.structs.replace(facts, glibc=f"2.{minor}")

    with pytest.raises(ConfigurationError, match=rf"C library is 2\.{minor}, {target.id} needs {target.glibc}"):
        target_of(older, TARGETS)
    assert not board_fits(older, target)


@pytest.mark.parametrize("target", TARGETS.target, ids=lambda one: one.id)
def test_a_missing_python_is_named_with_what_adds_it(target: Target) -> None:
    os_id, versions = next(iter(target.os.items()))
    facts = BoardFacts(
        machine=target.arch, bits=target.bits, os_id=os_id, os_version=versions[0], pythons=("3.8.10", "3.1.1")
    )

    with pytest.raises(
        ConfigurationError, match=rf"needs Python {target.python}, this board has 3\.8\.10, 3\.1\.1; "
    ) as no:
        target_of(facts, TARGETS)
    assert str(no.value).endswith("install 3.11") or "apt-get install python3" in str(no.value)


@pytest.mark.parametrize("lacking", TARGETS.unsupported, ids=lambda one: one.id)
def test_what_is_not_supported_is_refused_with_the_reason(lacking: object) -> None:
    place = next(one for one in TARGETS.unsupported if one is lacking)
    os_id, versions = next(iter(place.os.items()), ("raspbian", ("12",)))
    facts = BoardFacts(machine=place.machines[0], bits=place.bits, os_id=os_id, os_version=versions[0])

    with pytest.raises(ConfigurationError) as no:
        target_of(facts, TARGETS)
    assert str(no.value) == f"{place.name} is not supported: {place.why}; {place.remedy}"
    with pytest.raises(ConfigurationError, match="is not supported"):
        find_target(place.id)


def test_a_32_bit_system_on_a_64_bit_kernel_is_32_bit() -> None:
    facts = BoardFacts(machine="aarch64", bits=32, glibc="2.36", os_id="raspbian", os_version="12")

    assert target_of(facts, TARGETS).id == "bookworm-armhf"


def test_jetson_linux_tells_where_the_system_says_something_else() -> None:
    facts = BoardFacts(machine="aarch64", bits=64, os_id="own", os_version="1", l4t="R35.4.1", glibc="2.31")

    assert target_of(facts, TARGETS).id == "jetpack5"


def test_another_c_library_is_refused() -> None:
    facts = BoardFacts(machine="aarch64", bits=64, glibc="", os_id="debian", os_version="12")

    with pytest.raises(ConfigurationError, match="not GNU's"):
        target_of(facts, TARGETS)


@given(
    st.builds(
        BoardFacts,
        machine=WORDS,
        bits=st.sampled_from([None, 32, 64]),
        glibc=st.none() | st.just("2.36") | WORDS,
        os_id=WORDS,
        os_version=WORDS,
        l4t=st.none() | WORDS,
        pythons=st.none() | st.lists(WORDS).map(tuple),
    )
)
def test_any_board_is_a_target_or_is_refused(facts: BoardFacts) -> None:
    with suppress(ConfigurationError):
        assert board_fits(facts, target_of(facts, TARGETS))


def test_the_facts_that_the_installer_tells_are_understood(tmp_path: Path) -> None:
    told = board_facts(tmp_path)

    facts = facts_from(told)

    assert (facts.machine, facts.bits) == (told["machine"], told["bits"])
    assert facts.pythons is not None
    assert all(version.startswith("3.") for version in facts.pythons)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        facts_from({"machine": 5})


@given(st.text())
def test_a_version_is_numbers_or_refused(text: str) -> None:
    with suppress(ConfigurationError):
        assert glibc_numbers(text) >= (0, 0)


def test_an_unknown_target_lists_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="known: bookworm-arm64, trixie-arm64, bookworm-armhf"):
        find_target("pi")
