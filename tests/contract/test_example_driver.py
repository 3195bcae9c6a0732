"""One more meter is one more file: the README's example runs in every verb and the common suite, as it stands."""

import json
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
AS_A_COMMAND = "import tests.fakes.example_driver, sys; from edgejoule.cli import main; sys.exit(main())"


def python(*words: str, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, *words], cwd=REPOSITORY, input=data, capture_output=True, check=False, timeout=120
    )


def edgejoule(*words: str, data: bytes | None = None) -> bytes:
    outcome = python("-c", AS_A_COMMAND, *words, data=data)
    assert outcome.returncode == 0, outcome.stderr.decode()
    return outcome.stdout


def test_the_commands_take_the_example() -> None:
    assert "acme1" in [one["driver"] for one in json.loads(edgejoule("meter", "list", "--json"))["meters"]]
    assert b"milliamperes | CRC-16" in edgejoule("meter", "show", "acme1")
    # 5.000 V and 0.400 A twice; the checksums are those of pymodbus for the same six bytes, high byte first
    frames = b"\xa5\x00\x13\x88\x01\x90\xbc\x9d\xa5\x01\x13\x88\x01\x90\x7c\xa0"
    found = json.loads(edgejoule("meter", "decode", "acme1", "-", "--json", data=frames))
    assert (found["samples"], found["frame_errors"]) == (2, {})
    assert abs(found["energy_j"] - 0.4) < 1e-9


def test_the_common_suite_takes_the_example() -> None:
    suite = [f"tests/contract/test_{name}.py" for name in ("every_driver", "driver_damage")]
    words = ["-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-p", "tests.fakes.example_driver"]
    outcome = python(*words, *suite, "-k", "acme1")
    assert outcome.returncode == 0, outcome.stdout.decode()[-2000:]
