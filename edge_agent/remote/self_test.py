"""Tries a model before anything is changed: in a process of its own, see ``trial_run``."""

import contextlib
import subprocess
import sys
import time
from typing import Final

import msgspec
import psutil

from edge_agent.config import AgentConfig
from edge_agent.model_catalog import CatalogModel
from edge_agent.remote.trial_run import TrialOrder, TrialResult

LIMIT_S: Final = 180.0
LEAST_DATA_BYTES: Final = 256 * 1024 * 1024
KILL_WAIT_S: Final = 10.0
ORPHAN_S: Final = 5.0
"""So much later than the agent would end it a try ends itself."""


class SelfTest:
    """One try, in the background. For one thread."""

    def __init__(self, config: AgentConfig, model: CatalogModel, *, limit_s: float = LIMIT_S) -> None:
        """Start it with the configuration as it will be. Raises OSError when no process can be started."""
        order = TrialOrder(
            section=config.model,
            model=model,
            input_folder=config.input.path if config.input.source == "directory" else "",
            max_latency_s=config.window.window_s,
            data_bytes=max(LEAST_DATA_BYTES, psutil.virtual_memory().available // 2),
            cpu_s=max(1, round(limit_s * (psutil.cpu_count() or 1))),
            limit_s=limit_s + ORPHAN_S,
        )
        self._until_s = time.monotonic() + limit_s
        self._limit_s = limit_s
        self._process = subprocess.Popen(
            [sys.executable, "-m", "edge_agent.remote.trial_run"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(order.encoded())  # a few hundred bytes: the pipe holds them
            self._process.stdin.close()
        except BrokenPipeError:  # it ended already; ``poll`` says how
            return

    def poll(self) -> TrialResult | None:
        """Return the result, None while there is none. Never raises."""
        code = self._process.poll()
        if code is None and time.monotonic() < self._until_s:
            return None
        if code is None:
            self.close()
            return TrialResult(failure=f"it was not done within {self._limit_s:g} s")
        return self._result(code)

    def close(self) -> None:
        """End it. Safe to call twice."""
        if self._process.poll() is None:
            self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # held by a broken disk: then it is reaped later
            self._process.wait(KILL_WAIT_S)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _result(self, code: int) -> TrialResult:
        assert self._process.stdout is not None
        said = b"" if self._process.stdout.closed else self._process.stdout.read()
        self.close()
        if code != 0:
            how = f"by signal {-code}" if code < 0 else f"with code {code}"
            return TrialResult(failure=f"the engine ended {how} on this file")
        try:
            return msgspec.json.decode(said, type=TrialResult)
        except msgspec.DecodeError:
            return TrialResult(failure="the self-test said nothing that can be read")
