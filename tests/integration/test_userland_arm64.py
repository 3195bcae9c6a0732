"""A real aarch64 system: the bundle of bookworm-arm64 is installed there, and its agent delivers over TLS.

Only the processor is emulated. Debian's own Python, published aarch64 wheels, the int8 model on LiteRT, a meter behind
a pseudo-terminal; mosquitto and the collector are this machine's. Times and joules of such a processor mean nothing.
"""

from pathlib import Path

import pytest

from tests.userland.agent_there import WINDOWS, run_agent


@pytest.mark.qemu
@pytest.mark.mosquitto
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("userland")
def test_the_bundle_of_bookworm_arm64_measures_and_delivers_on_aarch64(tmp_path: Path) -> None:
    done = run_agent(tmp_path, "bookworm-arm64", "arm64", "aarch64", ["python3", "libstdc++6"])

    assert (done.result["outcome"], done.result["version"]) == ("installed", done.manifest["version"])
    wheels = [name for name in done.manifest["files"] if name.startswith("wheels/")]  # type: ignore[attr-defined]
    assert any("aarch64" in name for name in wheels)
    assert not any("x86_64" in name for name in wheels)
    birth = done.device.birth
    assert birth is not None
    assert "aarch64" in birth.platform
    assert birth.python_version.startswith("3.11.")
    assert (birth.runtime.runtime, birth.runtime.version) == ("litert", "2.3.0")
    assert birth.model_id == "digits_mlp_int8"
    assert birth.simulated
    assert done.line.stored == done.line.sent >= WINDOWS
    assert (done.line.missing, done.line.dropped, done.line.dead_letters) == (0, 0, 0)
    assert int(str(done.progress["windows_stored"])) >= WINDOWS
    assert str(done.progress["prefix"]).startswith("/opt/edgejoule/versions/")
    assert all(row.window.inference_count > 0 and row.window.energy_j > 0.0 for row in done.windows)
