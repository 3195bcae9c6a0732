"""While a follower of the journal reads everything again, as after a revised intensity, the page goes on."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from collector.assess import Assessor
from collector.build import build_assessor
from collector.config import CollectorConfig
from collector.figures import FiguresReader, Runtime
from collector.journal import Journal
from collector.sinks.lake import LakeSink
from collector.web.live.followed import Knowledge
from collector.web.live.follower import Follower
from collector.web.live.state import LiveState
from tests.fakes.live_server import PATIENCE_S, QUICK, site_config
from tests.fakes.windows import commit_rows, make_fleet_rows, make_stored

FILES = 15
CALLS = 10
"""Files are read as 1, 2, 4 and 8: four pages, each with two or three devices; the tenth is in the last."""
BEFORE = 2 * FILES
PAGE_S = 0.1


@pytest.fixture
def config(tmp_path: Path) -> CollectorConfig:
    return site_config(tmp_path)


@pytest.fixture
def journal(config: CollectorConfig) -> Iterator[Journal]:
    """Yield a journal whose windows lie in the lake too, two in each file."""
    assert config.lake_dir is not None
    with closing(Journal(config.journal_path)) as journal:
        commit_rows(journal, make_fleet_rows(FILES)[:BEFORE])
        sink = LakeSink(config.lake_dir, journal="")
        for done in range(0, BEFORE, 2):
            sink.write(journal.rows_after(done, 2))
        journal.set_cursor("lake", BEFORE)
        yield journal


class _Slow:
    """Answers as an assessor does, after ``before`` was called."""

    def __init__(self, assessor: Assessor, before: Callable[[], None]) -> None:
        self._assessor = assessor
        self._before = before

    def __getattr__(self, name: str) -> object:
        return getattr(self._assessor, name)

    def charges(self, *windows: Any) -> object:
        self._before()
        return self._assessor.charges(*windows)


def test_what_comes_while_everything_is_read_again_is_shown_meanwhile(
    config: CollectorConfig, journal: Journal
) -> None:
    state = LiveState("")
    shown: list[int] = []
    begun, committed = threading.Event(), threading.Event()

    def windows() -> int:
        return int(json.loads(state.snapshot()[1])["total"]["windows"])

    def look() -> None:
        if len(shown) == CALLS:
            return
        if begun.is_set():
            time.sleep(PAGE_S)
        begun.set()
        assert committed.wait(PATIENCE_S)
        shown.append(windows())

    newest = [0]

    def know() -> Knowledge:
        assessor = build_assessor(config)
        return Knowledge(_Slow(assessor, look) if newest[0] else assessor, newest[0], lambda _: ())  # type: ignore[arg-type]

    runtime = Runtime(broker_connected=False, queue_messages=0, queue_bytes=0, commits=0)
    with ExitStack() as opened:
        figures = opened.enter_context(closing(FiguresReader(config.journal_path, {}, "", lambda: runtime)))
        follower = Follower(state, config.journal_path, config.lake_dir, figures, know, lambda: newest[0], QUICK)
        opened.enter_context(closing(follower))
        follower.start()
        assert json.loads(follower.snapshot()[1])["total"]["windows"] == BEFORE
        newest[0] = 1
        assert begun.wait(PATIENCE_S)
        commit_rows(journal, [make_stored(1, seq=1000)])
        committed.set()
        deadline_s = time.monotonic() + PATIENCE_S
        while windows() < BEFORE + 1 or len(shown) < CALLS:
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
    assert shown[0] == BEFORE
    assert shown[CALLS - 1] == BEFORE + 1, "what came while the first page was read is there before the last one is"
