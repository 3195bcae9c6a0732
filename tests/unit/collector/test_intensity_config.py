"""``[intensity]``: what the sample says, what becomes of it, and what is wrong in one line."""

from contextlib import closing
from pathlib import Path

import pytest

import collector.config
from collector.build import build_assessor, build_intensity
from collector.carbon.operational import IntensityKind
from collector.carbon.revisions import IntensityRevision
from collector.config import CollectorConfig, parse_config
from collector.intensity.configured import configured_sources, zones_at_sources
from collector.intensity.store import IntensityStore
from collector.intensity_config import IntensityConfig, SourceConfig
from collector.live_grams import GRAM_FIELDS
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.windows import make_window

SAMPLE = Path(collector.config.__file__).with_name("collector.sample.toml")
SERIES = """
[[intensity.source]]
kind = "series"
zones = {roof = "ROOF"}
url = "roof.csv"
passport = {id = "roof", name = "our roof", scope = "site", licence = "own", method = "metered"}
"""
UK = """
[[intensity.source]]
kind = "uk_carbon_intensity"
zones = ["GB"]
"""


def parse(text: str, base: str = "/etc/edgejoule") -> CollectorConfig:
    return parse_config(text, "collector.toml", Path(base))


def test_the_source_in_the_sample_is_as_the_defaults_are() -> None:
    text = SAMPLE.read_text()
    start = text.index("# [[intensity.source]]")
    lines = text[start:].split("\n\n", 1)[0].splitlines()
    (source,) = parse("\n".join(line.removeprefix("# ") for line in lines)).intensity.source
    assert source.passport is not None
    assert source == SourceConfig(kind="uk_carbon_intensity", zones=["GB"], signal="average", passport=source.passport)
    for key in (*SourceConfig.__struct_fields__, *(k for k in IntensityConfig.__struct_fields__ if k != "source")):
        assert f"{key} = " in text, key


def test_paths_are_relative_to_the_file_and_addresses_are_left_alone() -> None:
    config = parse(SERIES + UK + 'url = "http://localhost:1"\nkey_file = "key"\n')
    series, uk = config.intensity.source
    assert series.url == "/etc/edgejoule/roof.csv"
    assert (uk.url, uk.key_file) == ("http://localhost:1", "/etc/edgejoule/key")
    assert config.intensity_path == Path("/etc/edgejoule/collector-state/intensity.sqlite3")
    assert parse('[intensity]\nstore = "i.db"').intensity_path == Path("/etc/edgejoule/i.db")


def test_a_zone_has_its_sources_in_the_order_of_the_file() -> None:
    config = parse(SERIES.replace("roof = ", "GB = ") + UK).intensity
    assert zones_at_sources(config, "average") == {"GB": (("roof", "ROOF"), ("uk_carbon_intensity", "GB"))}
    assert zones_at_sources(config, "marginal") == {}


def test_a_passport_that_no_stored_value_has_is_refused() -> None:
    """Under another name than its revisions have, a source would be silent and yearly averages stand in."""
    with pytest.raises(ConfigurationError, match="its values have a passport"):
        zones_at_sources(parse(UK + SERIES.splitlines()[-1]).intensity, "average")


def test_sources_are_built_with_their_zones(tmp_path: Path) -> None:
    (tmp_path / "roof.csv").write_text("zone,start,end,gco2e_per_kwh\nROOF,2024-03-05T00:00Z,2024-03-05T01:00Z,40\n")
    series, uk = configured_sources(parse(SERIES + UK + "every_s = 60.0\nahead_s = 3600.0\n", str(tmp_path)).intensity)
    assert (series.source.passport.id, series.zones, series.source.resolution_s) == ("roof", ("ROOF",), 3600.0)
    assert (uk.source.passport.id, uk.zones, uk.every_s, uk.ahead_s) == ("uk_carbon_intensity", ("GB",), 60.0, 3600.0)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[intensity]\nstores = ""', "stores"),
        ("[[intensity.source]]\nzones = []", "kind"),
        (UK.replace("uk_carbon", "uk_carbons"), "did you mean uk_carbon_intensity"),
        (UK + 'signal = "marginal"', "signal 'marginal': this source gives average intensities only"),
        (UK.replace('"GB"', '"DE"'), r"uk_carbon_intensity: zones: .*'DE'"),
        (UK + 'passport = {id = "", name = "x", scope = "x", licence = "x", method = "x"}', "passport's id is empty"),
        (
            UK + 'passport = {id = "a", name = "x", scope = "x", licence = "x", method = "x", low_ratio = 1.5}',
            "passport: a range holds its value",
        ),
        (UK + SERIES.splitlines()[-1], "its values have a passport"),
        (UK.replace("uk_carbon_intensity", "electricity_maps"), "it needs a key; put .* into a file"),
        (UK + "retries = 99", "retries"),
        (SERIES, "roof.csv: cannot read it"),
        (SERIES.split("passport", maxsplit=1)[0], "say where its values come from"),
    ],
)
def test_what_is_wrong_is_one_line(text: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=fault) as refused:
        configured_sources(parse(text, str(tmp_path)).intensity)
    assert "\n" not in str(refused.value)


def test_a_yearly_zone_that_is_none_is_refused(tmp_path: Path) -> None:
    config = parse('[intensity]\nyearly_zones = {DK1 = "DKX"}', str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"\[intensity\] yearly_zones of 'DK1': no intensity for zone 'DKX'"):
        build_intensity(config)


def test_the_assessor_takes_what_is_stored_and_yearly_averages_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "inventory.toml").write_text('[[device]]\nid = "pi"\nzone = "GB"\n')
    config = parse(f'[inventory]\nfile = "inventory.toml"\n{UK}', str(tmp_path))
    assert build_intensity(config).at("GB", 0) == build_intensity(config).yearly("GB")
    with closing(IntensityStore(config.intensity_path)) as store:
        store.add(
            [
                IntensityRevision(
                    source="uk_carbon_intensity",
                    zone="GB",
                    kind="average",
                    valid_from_unix_ns=0,
                    valid_to_unix_ns=3_600_000_000_000,
                    gco2e_per_kwh=50.0,
                    fetched_at_unix_ns=1_000,
                )
            ]
        )
        written = build_intensity(config, store).at("GB", 0)
    found = build_intensity(config).at("GB", 0)
    assert found == written
    assert found is not None
    assert found.factor.estimate.value == 50.0
    assert build_intensity(config, known_at_unix_ns=999).at("GB", 0) == build_intensity(config).yearly("GB")
    assessed = build_assessor(config).assess("pi", energy_j=3.6e6, energy_u_j=0.0, start_unix_ns=0, duration_s=60.0)
    assert assessed.operational is not None
    assert assessed.operational.value == pytest.approx(50.0)


MARGINAL = """
[[intensity.source]]
kind = "series"
signal = "marginal"
zones = ["GB"]
url = "marginal.csv"
passport = {id = "plant", name = "marginal plant", scope = "generation", licence = "own", method = "given"}
"""
WATER = """
[common]
unit = "L/kWh"
scope = "consumed"
source = "our utility"
licence = "own"
vintage = "2025"
method = "metered"
[[factor]]
id = "water-grid/GBR"
name = "water of our utility"
value = 2.5
low = 2.0
high = 3.0
"""


def test_a_marginal_source_gives_windows_a_figure_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "inventory.toml").write_text('[[device]]\nid = "pi"\nzone = "GB"\n')
    (tmp_path / "water.toml").write_text(WATER)
    table = '[intensity]\nimpact_table = "water.toml"\n'
    config = parse(f'[inventory]\nfile = "inventory.toml"\n{table}{UK}{MARGINAL}', str(tmp_path))
    window = make_window(1, t_start_unix_ns=0, energy_j=3.6e6)

    def figures(known_at_unix_ns: int | None = None) -> dict[str, float | None]:
        found = build_assessor(config, known_at_unix_ns=known_at_unix_ns).grams("pi", window).figures
        return dict(zip(GRAM_FIELDS, found, strict=True))

    assert figures()["operational_marginal_gco2e"] is None
    assert figures()["operational_gco2e"] is not None, "the yearly average, as before"
    said: dict[IntensityKind, tuple[str, float]] = {
        "average": ("uk_carbon_intensity", 50.0),
        "marginal": ("plant", 800.0),
    }
    with closing(IntensityStore(config.intensity_path)) as store:
        store.add(
            IntensityRevision(
                source=source,
                zone="GB",
                kind=kind,
                valid_from_unix_ns=0,
                valid_to_unix_ns=3_600_000_000_000,
                gco2e_per_kwh=value,
                fetched_at_unix_ns=1_000,
            )
            for kind, (source, value) in said.items()
        )
    now = figures()
    assert (now["operational_gco2e"], now["operational_marginal_gco2e"]) == pytest.approx((50.0, 800.0))
    assert now["operational_water_l"] == pytest.approx(2.5)
    assert figures(known_at_unix_ns=999)["operational_marginal_gco2e"] is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            WATER.replace("L/kWh", "m3/kWh"),
            "the factor 'water-grid/GBR' of water_grid_l is in m3/kWh; give it in L/kWh",
        ),
        (WATER.replace("low = 2.0", "low = 2.7"), "'water-grid/GBR': an estimate needs low <= value <= high"),
        (None, "cannot read it"),
    ],
)
def test_an_impact_table_that_is_wrong_stops_the_collector_with_one_line(
    tmp_path: Path, text: str | None, fault: str
) -> None:
    if text is not None:
        (tmp_path / "water.toml").write_text(text)
    config = parse('[intensity]\nimpact_table = "water.toml"', str(tmp_path))
    with pytest.raises(ConfigurationError, match=f"water.toml: .*{fault}") as refused:
        build_assessor(config)
    assert "\n" not in str(refused.value)
