"""A model is tried in a process of its own, and what is wrong with it is one line."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_agent.config import AgentConfig, InputSection, ModelSection, WindowSection
from edge_agent.model_catalog import CatalogModel, ModelFacts, find_model
from edge_agent.remote.self_test import LEAST_DATA_BYTES, SelfTest
from edge_agent.remote.trial_run import TrialOrder, TrialResult
from tests.unit.edge_agent.remote.test_guard import make_config

GOOD = find_model("digits_mlp_int8")
PICK = Path(__file__).parents[3] / "data/models/pick.tflite"


def _order(model: CatalogModel, **changed: Any) -> TrialOrder:
    order = TrialOrder(
        section=ModelSection(id="m"),
        model=model,
        input_folder="",
        max_latency_s=1.0,
        data_bytes=LEAST_DATA_BYTES,
        cpu_s=60,
        limit_s=60.0,
    )
    return msgspec.structs.replace(order, **changed)


def tried(model: CatalogModel, config: AgentConfig | None = None, limit_s: float = 120.0) -> TrialResult:
    test = SelfTest(config or make_config(), model, limit_s=limit_s)
    try:
        while (result := test.poll()) is None:
            time.sleep(0.02)
        return result
    finally:
        test.close()


def own(path: Path, **changed: Any) -> CatalogModel:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return msgspec.structs.replace(GOOD, path=path, sha256=sha256, catalog=None, **changed)


def test_a_good_model_passes_with_its_figures() -> None:
    result = tried(GOOD)
    assert result.failure == ""
    assert result.inputs == 450
    assert result.latency_p95_s is not None
    assert 0.0 < result.latency_p95_s < 1.0
    assert result.accuracy_ratio == pytest.approx(0.9244, abs=0.01)


@pytest.mark.parametrize("fault", ["cut", "noise", "empty"])
def test_a_file_that_is_no_model_fails(tmp_path: Path, fault: str) -> None:
    data = GOOD.path.read_bytes()
    content = {"cut": data[:2000], "noise": data[:200] + b"\xff" * 700 + data[900:], "empty": b""}[fault]
    path = tmp_path / "bad.tflite"
    path.write_bytes(content)
    assert "cannot load it" in tried(own(path)).failure


def test_a_hash_that_does_not_fit_fails(tmp_path: Path) -> None:
    assert "is expected for model" in tried(msgspec.structs.replace(GOOD, sha256="0" * 64)).failure


def test_inputs_of_another_shape_fail(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 7), np.int8))
    config = msgspec.structs.replace(make_config(), input=InputSection(source="directory", path=str(tmp_path)))
    assert "but the model takes int8" in tried(GOOD, config).failure


def test_an_inference_that_fails_is_a_failure(tmp_path: Path) -> None:
    np.savez(tmp_path / "check.npz", x=np.array([[0, 1], [0, 9]], np.int32))
    failure = tried(own(PICK, check_set=tmp_path / "check.npz", check_set_sha256=None)).failure
    assert "fails on an input" in failure


def test_one_that_gets_everything_wrong_is_told_by_its_catalogue(tmp_path: Path) -> None:
    arrays = dict(np.load(GOOD.check_set or Path()))
    arrays["y"] = (arrays["y"] + 1) % 10
    np.savez(tmp_path / "check.npz", **arrays)
    model = own(
        GOOD.path, check_set=tmp_path / "check.npz", check_set_sha256=None, facts=ModelFacts(accuracy_ratio=0.92)
    )
    assert "of its check set right, where the catalogue says 92.0%" in tried(model).failure


def test_one_that_is_slower_than_a_window_fails() -> None:
    config = msgspec.structs.replace(make_config(), window=WindowSection(window_s=0.5))
    shorter = msgspec.structs.replace(config, window=msgspec.structs.replace(config.window, window_s=1e-9))
    assert "more than 1e-09 s, which a window has room for" in tried(GOOD, shorter).failure


def test_a_check_set_that_blows_up_is_refused_and_not_the_boards_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, x=np.zeros((5 << 20, 64), np.int8))
    assert path.stat().st_size < 2 << 20
    order = _order(own(GOOD.path, check_set=path, check_set_sha256=None))
    command = [sys.executable, "-m", "edge_agent.remote.trial_run"]
    ended = subprocess.run(command, input=order.encoded(), capture_output=True, check=True)
    assert "Unable to allocate 320. MiB" in msgspec.json.decode(ended.stdout, type=TrialResult).failure


def test_an_engine_that_goes_down_takes_only_the_trial_with_it() -> None:
    test = SelfTest(make_config(), GOOD)
    os.kill(test._process.pid, signal.SIGSEGV)
    while (result := test.poll()) is None:
        time.sleep(0.02)
    assert result.failure == "the engine ended by signal 11 on this file"


def test_one_that_never_ends_is_ended() -> None:
    assert "was not done within 0.05 s" in tried(GOOD, limit_s=0.05).failure


def test_one_whose_agent_was_killed_ends_by_itself() -> None:
    command = [sys.executable, "-m", "edge_agent.remote.trial_run"]
    order = _order(GOOD, limit_s=0.001)
    ended = subprocess.run(command, input=order.encoded(), capture_output=True, check=False, timeout=60.0)
    assert ended.returncode == -signal.SIGALRM
