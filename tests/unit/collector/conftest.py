from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from collector.journal import Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a test's journal lies."""
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    """Open a journal to write for the length of a test."""
    with closing(Journal(path)) as journal:
        yield journal
