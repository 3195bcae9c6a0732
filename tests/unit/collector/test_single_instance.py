"""The lock of a state directory: one holder, who is named, also where nothing can be written any more."""

import os
from pathlib import Path

import pytest

from collector.app import single_instance
from edge_agent.wire.errors import ConfigurationError


def test_the_second_one_is_told_who_is_the_first(tmp_path: Path) -> None:
    (tmp_path / "collector.lock").write_text("12345678\n")
    with (
        single_instance(tmp_path),
        pytest.raises(ConfigurationError, match=rf"process {os.getpid()}\)"),
        single_instance(tmp_path),
    ):
        pass
    with single_instance(tmp_path):
        pass


def test_a_full_disk_keeps_nobody_from_starting(tmp_path: Path) -> None:
    (tmp_path / "collector.lock").symlink_to("/dev/full")
    with single_instance(tmp_path):
        pass
