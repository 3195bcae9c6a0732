"""What a Grafana has otherwise than it is wanted, whatever it added of its own."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgejoule.grafana_push.difference import differences

LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=2)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz", min_size=1, max_size=1), inner, max_size=3)
    ),
    max_leaves=12,
)


def with_additions(value: Any) -> Any:
    """Return the value with what a server adds: fields of its own in every object."""
    if isinstance(value, dict):
        return {name: with_additions(one) for name, one in value.items()} | {"added": 1}
    return [with_additions(one) for one in value] if isinstance(value, list) else value


def leaves(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(leaves, value.values()))
    return sum(map(leaves, value)) if isinstance(value, list) else 1


def with_change(value: Any, at: int) -> tuple[Any, int]:
    """Return the value with its leaf number ``at`` changed, and how many leaves it has."""
    if isinstance(value, dict | list):
        seen = 0
        made: list[Any] = []
        for one in value.values() if isinstance(value, dict) else value:
            new, count = with_change(one, at - seen)
            made.append(new)
            seen += count
        return (dict(zip(value, made, strict=True)) if isinstance(value, dict) else made), seen
    return ("changed" if at == 0 else value), 1


@given(JSON)
def test_what_a_server_adds_is_no_difference(value: Any) -> None:
    assert differences(value, with_additions(value)) == []


@given(JSON.filter(lambda value: leaves(value) > 0), st.data())
def test_a_changed_value_is_found(value: Any, data: st.DataObject) -> None:
    changed, _ = with_change(value, data.draw(st.integers(0, leaves(value) - 1)))

    assert len(differences(value, changed)) >= 1


@pytest.mark.parametrize(
    ("wanted", "present", "line"),
    [
        ({"title": "a"}, {"title": "b"}, 'title: "b" -> "a"'),
        ({"title": "a"}, {}, 'title: + "a"'),
        ({"on": True}, {"on": 1}, "on: 1 -> true"),
        ({"panels": [{"title": "P", "h": 1}]}, {"panels": [{"title": "P", "h": 2}]}, "panels[P].h: 2 -> 1"),
        ({"panels": []}, {"panels": [{"title": "P"}]}, 'panels[P]: - {"title":"P"}'),
        ({"panels": [{"title": "P"}]}, {"panels": []}, 'panels[P]: + {"title":"P"}'),
        ({"steps": [1, 2]}, {"steps": [1, 3]}, "steps[1]: 3 -> 2"),
        ({"a": {"b": 1}}, {"a": None}, 'a: null -> {"b":1}'),
        ({"a": "x" * 99}, {"a": ""}, 'a: "" -> "' + "x" * 56 + "..."),
    ],
)
def test_a_difference_is_one_line(wanted: Any, present: Any, line: str) -> None:
    assert [str(one) for one in differences(wanted, present)] == [line]


def test_an_element_that_moved_is_the_same_element() -> None:
    wanted = {"panels": [{"title": "a", "x": 0}, {"title": "b", "x": 1}]}

    assert differences(wanted, {"panels": wanted["panels"][::-1]}) == []


def test_elements_without_a_name_of_their_own_are_compared_in_order() -> None:
    twice = [{"name": "a", "v": 1}, {"name": "a", "v": 2}]

    assert differences(twice, twice) == []
    assert [one.path for one in differences(twice, twice[::-1])] == ["[0].v", "[1].v"]


def test_what_is_wanted_as_nothing_and_is_not_there_is_the_same() -> None:
    assert differences({"id": None, "alias": "", "links": [], "options": {}}, {}) == []
    assert len(differences({"hidden": False, "min": 0, "links": []}, {"links": [1]})) == 3
