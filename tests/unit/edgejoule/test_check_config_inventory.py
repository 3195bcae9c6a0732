"""``collector check-config`` finds what only the running collector would trip over."""

from pathlib import Path

import pytest

from edgejoule.cli import main

MODEL = """
[[model]]
id = "digits"
source = "our meter"
vintage = "2025"
energy_kwh = {value = 2.0}
zone = "%s"
"""


def checked(tmp_path: Path, zone: str) -> int:
    (tmp_path / "inventory.toml").write_text(MODEL % zone)
    config = tmp_path / "collector.toml"
    config.write_text('[lake]\nenabled = false\n[inventory]\nfile = "inventory.toml"\n')
    return main(["collector", "check-config", "--config", str(config)])


def test_a_model_that_was_made_nowhere_known_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(tmp_path, "ATLANTIS") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "inventory.toml: model 'digits': no yearly intensity for zone 'ATLANTIS'" in line


def test_one_that_was_made_somewhere_is_good(tmp_path: Path) -> None:
    assert checked(tmp_path, "DE") == 0


@pytest.mark.parametrize(("enabled", "code"), [("true", 2), ("false", 0)])
def test_devices_cannot_be_told_of_marginal_intensities_that_no_source_gives(
    tmp_path: Path, enabled: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "collector.toml"
    config.write_text(
        f'[lake]\nenabled = false\n[[intensity.source]]\nkind = "uk_carbon_intensity"\nzones = ["GB"]\n'
        f'[grid_forecast]\nenabled = {enabled}\nkind = "marginal"\n'
    )
    assert main(["collector", "check-config", "--config", str(config)]) == code
    assert ("name one with signal" in capsys.readouterr().err) == (code == 2)
