"""What became of an order, whatever the order in which its replies came; and how it is shown."""

import json
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.config import journal_path
from collector.journal import Journal
from collector.orders import orders
from collector.values import StoredReply
from edge_agent.wire.orders import CarbonTiming, Stage
from edgejoule.cli import main
from tests.fakes.order_replies import make_reply
from tests.fakes.windows import FLEET, T0_UNIX_NS

CARBON = CarbonTiming(
    zone="DE",
    asked_unix_ns=T0_UNIX_NS,
    start_unix_ns=T0_UNIX_NS,
    deadline_unix_ns=T0_UNIX_NS,
    duration_s=60.0,
    saved_gco2e=1.25,
    simulated=True,
)


@given(st.permutations(["refused", "accepted", "waiting", "running", "done"]), st.integers(1, 5))
def test_the_furthest_stage_counts(order: list[Stage], count: int) -> None:
    came = order[:count]
    rows = [
        StoredReply(number, "lab", "a", number, make_reply(stage, device_id="a")) for number, stage in enumerate(came)
    ]
    (entry,) = orders(rows)
    furthest = max(came, key=["refused", "accepted", "waiting", "running", "done"].index)
    assert entry.stage == furthest
    assert entry.final is (furthest in {"done", "refused"})
    assert {one.stage for one in entry.stages} == set(came)


def test_of_when_it_ran_and_what_that_saved_the_last_word_counts() -> None:
    later = msgspec.structs.replace(CARBON, saved_gco2e=2.5)
    said = [make_reply("waiting", carbon=CARBON), make_reply("running"), make_reply("done", carbon=later)]
    (entry,) = orders(StoredReply(number, "lab", "pi4-01", number, reply) for number, reply in enumerate(said))
    assert entry.carbon == later
    (entry,) = orders(StoredReply(number, "lab", "pi4-01", number, reply) for number, reply in enumerate(said[:2]))
    assert entry.carbon == CARBON, "as planned"


def test_fleet_orders_shows_each_order_at_each_device(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(Journal(journal_path(tmp_path))) as journal:
        journal.put_reply(FLEET, make_reply("accepted"), T0_UNIX_NS)
        journal.put_reply(FLEET, make_reply("waiting", carbon=CARBON), T0_UNIX_NS + 1)
        journal.put_reply(FLEET, make_reply("done", result={"j_per_inference": 0.012345678}), T0_UNIX_NS + 2)
        journal.put_reply(FLEET, make_reply("refused", device_id="jetson", refusal="busy", reason="a [b]"), T0_UNIX_NS)
    words = ["fleet", "orders", "--state-dir", str(tmp_path)]
    assert main([*words, "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["orders"]
    assert (first["device_id"], first["stage"], first["final"]) == ("pi4-01", "done", True)
    assert [one["stage"] for one in first["stages"]] == ["accepted", "waiting", "done"]
    assert first["carbon"]["saved_gco2e"] == 1.25
    assert (second["device_id"], second["refusal"]) == ("jetson", "busy")
    assert main(words) == 0
    shown = capsys.readouterr().out
    for words_shown in ("0.012346", "busy: a [b]", "saved 1.25 g", "SIMULATED"):
        assert words_shown in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert main([*words, "--device", "jetson", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["orders"]) == 1


def test_what_a_device_says_moves_no_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = {"\x1b[31mred": "\x1b]0;title\x07", "log": "x" * 1000}
    with closing(Journal(journal_path(tmp_path))) as journal:
        journal.put_reply(FLEET, make_reply("failed", reason="\x1b[2Jgone", result=result), T0_UNIX_NS)
    assert main(["fleet", "orders", "--state-dir", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "gone" in shown
    assert all(letter.isprintable() or letter == "\n" for letter in shown)


def test_where_nothing_was_ordered_it_says_how(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Journal(journal_path(tmp_path)).close()
    assert main(["fleet", "orders", "--state-dir", str(tmp_path)]) == 0
    assert "edgejoule order send" in capsys.readouterr().out
    assert main(["fleet", "orders", "--state-dir", str(tmp_path), "--device", "b"]) == 0
    assert "none of b has replied" in capsys.readouterr().out
