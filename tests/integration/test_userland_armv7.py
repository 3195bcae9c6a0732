"""A real 32-bit Arm system: the bundle of bookworm-armhf is installed there, and its agent delivers over TLS.

LiteRT has no 32-bit wheel, so that the model runs on tflite-runtime; NumPy and psutil are Debian's, msgspec is
compiled here for there. Only the processor is emulated.
"""

import platform
from pathlib import Path

import pytest

from tests.userland.agent_there import WINDOWS, run_agent

PACKAGES = ["python3", "libstdc++6", "python3-numpy", "python3-psutil", "python3-cffi-backend"]


@pytest.mark.qemu
@pytest.mark.mosquitto
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("userland")
@pytest.mark.skipif(platform.python_version_tuple()[:2] != ("3", "11"), reason="msgspec is compiled by Python 3.11")
def test_the_bundle_of_bookworm_armhf_measures_and_delivers_on_armv7(tmp_path: Path) -> None:
    done = run_agent(tmp_path, "bookworm-armhf", "armhf", "arm", PACKAGES)

    assert (done.result["outcome"], done.result["version"]) == ("installed", done.manifest["version"])
    birth = done.device.birth
    assert birth is not None
    assert "armv7l" in birth.platform
    assert (birth.runtime.runtime, birth.runtime.version) == ("tflite-runtime", "2.14.0")
    assert done.line.stored == done.line.sent >= WINDOWS
    assert (done.line.missing, done.line.dropped, done.line.dead_letters) == (0, 0, 0)
    assert int(str(done.progress["windows_stored"])) >= WINDOWS
    assert all(row.window.inference_count > 0 and row.window.energy_j > 0.0 for row in done.windows)
