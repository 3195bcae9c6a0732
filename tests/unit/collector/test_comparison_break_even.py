from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.analysis.comparison.answers import Outcome, Question
from collector.analysis.comparison.break_even import OUTCOMES, QUESTIONS, break_evens, not_asked, roots
from collector.analysis.comparison.grams import edge_and_cloud
from collector.analysis.comparison.problem import Life, Pair
from collector.analysis.comparison.sweep import swept
from collector.analysis.comparison.world import Drawn, Medians
from collector.carbon.estimate import F64
from collector.carbon.montecarlo import Draws
from tests.fakes.comparison_problem import column, exact, linear, many_cases, mass, one_pair, thin_client

INVERSE = frozenset({"inferences_per_day", "edge_lifetime", "cloud_utilisation"})


def difference(pair: Pair, question: Question, value: float) -> dict[str, float]:
    """Return edge minus cloud by view at the medians, over both sides together."""
    sides = edge_and_cloud(swept(pair, question, exact(value)), Medians())
    return {str(view): float((edge - cloud)[0] / (edge + cloud)[0]) for view, (edge, cloud) in sides.items()}


positive = st.floats(min_value=0.1, max_value=10.0)


def pairs_of(scales: list[float], *, client: bool) -> Pair:
    base = one_pair()
    energy, idle, board, time_s, host, power = scales
    return replace(
        base,
        edge=replace(
            base.edge,
            energy=column("edge.energy", 0.2 * energy, "J"),
            idle_power=column("edge.idle_power", 0.2 * idle, "W"),
            mass=mass("board", board),
        ),
        cloud=replace(
            base.cloud,
            time_s=column("cloud.time", 0.005 * time_s, "s"),
            mass=mass("host", 1_000.0 * host),
            max_power=column("cloud.max_power", 110.0 * power, "W"),
        ),
        thin_client=base.thin_client if client else None,
    )


@settings(deadline=None, max_examples=25)
@given(st.lists(positive, min_size=6, max_size=6), st.booleans(), st.sampled_from(QUESTIONS))
def test_at_a_break_even_both_sides_emit_the_same_and_beside_it_the_outcome_holds(
    scales: list[float],
    client: bool,  # noqa: FBT001
    question: Question,
) -> None:
    pair = pairs_of(scales, client=client)
    for view, found in roots(pair, question, Medians()).items():
        outcome, value = OUTCOMES[int(found.outcomes[0])], float(found.values[0])
        if outcome in ("edge_above", "edge_below"):
            more, less = (difference(pair, question, value * times)[str(view)] for times in (1.001, 0.999))
            assert abs(difference(pair, question, value)[str(view)]) < 1e-9
            assert (more < 0.0 < less) if outcome == "edge_above" else (less < 0.0 < more)
        else:
            assert np.isnan(value)
            signs = {difference(pair, question, x)[str(view)] < 0.0 for x in (1e-6, 1e-3, 1.0, 1e3, 1e6)}
            assert signs == {outcome == "edge_always"}


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_case_and_every_world_has_its_own_root(question: Question) -> None:
    whole = many_cases(3).pairs[0]
    together = roots(whole, question, Medians())
    for view, found in together.items():
        for row in (0, 40, 80):
            if np.isfinite(found.values[row]):
                at = swept(whole, question, exact(float(found.values[row])))
                edge, cloud = edge_and_cloud(at, Medians())[view]
                assert edge[row] == pytest.approx(cloud[row], rel=1e-9)
    drawn = Drawn(Draws(seed=9, count=60))
    pair = one_pair()
    for view, found in roots(pair, question, drawn).items():
        for world in np.flatnonzero(np.isfinite(found.values))[:5]:
            at = swept(pair, question, exact(float(found.values[world])))
            edge, cloud = edge_and_cloud(at, drawn)[view]
            assert edge[world] == pytest.approx(cloud[world], rel=1e-9)


def outcome_of(pair: Pair, question: Question) -> Outcome:
    return OUTCOMES[int(next(iter(roots(pair, question, Medians()).values())).outcomes[0])]


def test_an_edge_that_is_worse_in_every_part_never_breaks_even_and_a_better_one_always_does() -> None:
    base = replace(one_pair(), thin_client=None)
    worse = replace(base, edge=replace(base.edge, energy=column("edge.energy", 1e4, "J")))
    better = replace(
        base,
        edge=replace(
            base.edge,
            energy=column("edge.energy", 1e-9, "J"),
            idle_power=column("edge.idle_power", 1e-12, "W"),
            mass=mass("board", 1e-9),
            sent_bytes=exact(0.0),
        ),
    )
    for question in ("inferences_per_day", "edge_lifetime"):
        assert outcome_of(worse, question) == "edge_never"
    assert outcome_of(better, "edge_lifetime") == "edge_above"  # a board that is bought every second is never lower
    assert outcome_of(better, "cloud_utilisation") == "edge_always"
    assert outcome_of(replace(better, thin_client=one_pair().thin_client), "inferences_per_day") == "edge_always"


def test_questions_without_a_meaning_are_not_asked_and_say_why() -> None:
    base = one_pair()
    shared = replace(base, edge=replace(base.edge, attribution="shared"), thin_client=None)
    by_use = Life("by_use", exact(5.0), lifetime_uses=exact(1e6))
    same_board = replace(
        base,
        thin_client=replace(thin_client(), mass=base.edge.mass, life=linear(5.0), same_board=True),
    )
    stated = replace(
        base.cloud, energy=column("cloud.energy", 1.0, "J"), idle_power=None, other_power=None, life=by_use
    )
    unasked: list[tuple[Pair, Question, str]] = [
        (shared, "inferences_per_day", "a shared device"),
        (replace(base, edge=replace(base.edge, life=by_use)), "edge_lifetime", "policy by_use"),
        (same_board, "edge_lifetime", "the same hardware"),
        (replace(base, cloud=stated), "cloud_utilisation", "utilisation"),
    ]
    for pair, question, words in unasked:
        assert outcome_of(pair, question) == "not_asked"
        assert words in not_asked(pair, question)
        assert not not_asked(base, question)
        answers = [one for one in break_evens(pair, Draws(seed=1, count=50)) if one.question == question]
        assert {one.why for one in answers} == {not_asked(pair, question)}
        assert {one.probability_exists for one in answers} == {0.0}


def test_the_same_board_on_both_sides_leaves_the_rate_without_a_break_even() -> None:
    base = one_pair()
    assert base.edge.idle_power is not None
    client = replace(
        thin_client(),
        mass=base.edge.mass,
        life=base.edge.life,
        idle_power=base.edge.idle_power,
        energy=None,
    )
    for watts in (1e-3, 2.7, 1e3):
        power = column("idle", watts, "W")
        pair = replace(base, edge=replace(base.edge, idle_power=power), thin_client=replace(client, idle_power=power))
        assert outcome_of(pair, "inferences_per_day") in ("edge_always", "edge_never")


def test_ranges_hold_the_worlds_that_have_a_break_even() -> None:
    pair = replace(one_pair(), thin_client=None)
    draws = Draws(seed=4, count=4_000)
    for one in break_evens(pair, draws):
        found: F64 = roots(pair, one.question, Drawn(draws))[one.view].values
        assert one.probability_exists == np.mean(np.isfinite(found))
        if one.probability_exists < 0.05:
            assert (one.low, one.high) == (None, None)
        else:
            assert one.low is not None
            assert one.high is not None
            assert one.low <= float(np.nanmedian(found)) <= one.high
        assert (one.value is None) is (one.outcome in ("edge_always", "edge_never", "not_asked"))
    rate = next(one for one in break_evens(pair, draws) if one.question == "inferences_per_day")
    assert rate.value is not None
    assert rate.feasible == (rate.value * 0.05 <= 86_400.0)
