"""Simulated devices over TLS, each under a user name of its own, against the access list that is shipped."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.brokers import running_broker
from tests.fakes.certificates import LOOPBACK, Authority
from tests.fakes.secure_brokers import DEPLOY, tls_lines

pytestmark = pytest.mark.mosquitto


def simulate(url: str, authority: Authority, username: str) -> "subprocess.CompletedProcess[str]":
    words = ("--devices", "2", "--rate", "10", "--windows", "2", "--drain-s", "0.5", "--json", "--run-id", "tls")
    login = ("--broker", url, "--ca-file", str(authority.path), "--username", username)
    command = [sys.executable, "-m", "edgejoule", "fleet", "simulate", *login, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_each_device_has_its_own_user_name_and_another_is_refused_in_words(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificates = tls_lines(authority, authority.issue("broker", hosts=LOOPBACK), client_certificates=False)
    with running_broker("mosquitto", tmp_path, f"{certificates}acl_file {DEPLOY / 'edgejoule.acl'}\n") as broker:
        url = f"mqtts://127.0.0.1:{broker.port}"
        own = simulate(url, authority, "{device}")
        others = simulate(url, authority, "somebody")
        plain = simulate(f"mqtt://127.0.0.1:{broker.port}", authority, "")

    run = json.loads(own.stdout)  # nobody stores: what is asked is whether the broker takes the messages
    assert (run["played"]["connects"], run["played"]["refused_by_broker"], run["last_error"]) == (2, 0, "")
    assert json.loads(others.stdout)["played"]["refused_by_broker"] > 0
    assert "access list" in others.stderr
    assert plain.returncode == 2
    assert "write mqtts://" in plain.stderr
