"""Boards in folders, for tests of the installer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.shelf import Shelf
from tests.fakes.stand_in_service import Board, board_in


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    """Yield a board in a folder, whose service is a process."""
    with board_in(tmp_path / "board") as board:
        yield board


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Return the versions for such boards, each built once: tests of one xdist group share them."""
    return Shelf(tmp_path_factory.mktemp("shelf"))
