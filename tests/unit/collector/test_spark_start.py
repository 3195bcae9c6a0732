"""How Spark starts, or says in one line why it does not, and what becomes of Ctrl-C and of the environment."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from collector.assessment.engine import Limits
from collector.assessment.spark_session import _ctrl_c_waits, _environment
from edge_agent.wire.errors import ConfigurationError
from edgejoule.cli import main

SPARK = ["carbon", "roll-up", "--engine", "spark", "--lake"]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Return a lake in which there is something to ask for."""
    (tmp_path / "lake" / "date=2026-03-01").mkdir(parents=True)
    (tmp_path / "lake" / "date=2026-03-01" / f"windows-{1:020d}.parquet").write_bytes(b"not asked for")
    return tmp_path / "lake"


def a_java(home: Path, script: str) -> Path:
    """Write what plays a Java, and return its JAVA_HOME."""
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\n{script}\n")
    java.chmod(0o755)
    return home


@pytest.mark.spark
def test_no_java_is_one_line(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nothing"))
    assert main([*SPARK, str(lake)]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "no java in JAVA_HOME or PATH; install it" in err


@pytest.mark.spark
def test_a_java_that_ends_is_quoted_in_one_line(lake: Path, tmp_path: Path) -> None:
    old = 'echo "java.lang.UnsupportedClassVersionError: 61.0 at $SPARK_LOCAL_IP" >&2; exit 1'
    env = {"PATH": "/usr/bin:/bin", "JAVA_HOME": str(a_java(tmp_path / "old", old))}
    command = [sys.executable, "-m", "edgejoule", *SPARK, str(lake)]  # PySpark leaves a pipe to its Java open
    told = subprocess.run(command, check=False, capture_output=True, text=True, env=env, timeout=120)
    assert (told.returncode, told.stdout, told.stderr.count("\n")) == (2, "", 1)
    assert "UnsupportedClassVersionError: 61.0 at 127.0.0.1; it needs Java 17 or later" in told.stderr


@pytest.mark.spark
def test_a_spark_home_without_spark_is_named(
    lake: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPARK_HOME", os.devnull)
    assert main([*SPARK, str(lake)]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "SPARK_HOME=/dev/null has to be a Spark of PySpark's version, or unset" in err
    assert "SPARK_LOCAL_IP" not in os.environ


def test_less_memory_than_spark_needs_is_one_line() -> None:
    with pytest.raises(ConfigurationError, match=r"--memory-mb 200 is too little to read a lake with spark; .* 500"):
        Limits(engine="spark", memory_bytes=200_000_000)


def test_ctrl_c_waits_until_java_can_be_ended() -> None:
    before, reached = signal.getsignal(signal.SIGINT), []

    def interrupted(times: int) -> None:
        with _ctrl_c_waits():
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
            reached.append(times)

    with pytest.raises(KeyboardInterrupt):
        interrupted(1)
    with pytest.raises(KeyboardInterrupt):
        interrupted(2)
    assert reached == [1]
    assert signal.getsignal(signal.SIGINT) == before


def test_what_the_user_says_in_the_environment_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_LOCAL_IP", "10.0.0.1")
    monkeypatch.delenv("SPARK_LOCAL_HOSTNAME", raising=False)
    with _environment({"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_HOSTNAME": "localhost"}):
        assert (os.environ["SPARK_LOCAL_IP"], os.environ["SPARK_LOCAL_HOSTNAME"]) == ("10.0.0.1", "localhost")
    assert os.environ["SPARK_LOCAL_IP"] == "10.0.0.1"
    assert "SPARK_LOCAL_HOSTNAME" not in os.environ
