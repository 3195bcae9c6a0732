"""The collector's TOML file: the sample is the defaults, and every fault is one line with its remedy."""

from pathlib import Path

import pytest

import collector.config
from collector.config import CollectorConfig, parse_config, read_config
from collector.store_config import HourlyConfig, InfluxConfig, LakeUrl
from edge_agent.wire.errors import ConfigurationError

SAMPLE = Path(collector.config.__file__).with_name("collector.sample.toml")


def parse(text: str, base: str = "/etc/edgejoule") -> CollectorConfig:
    return parse_config(text, "collector.toml", Path(base))


def test_the_sample_is_the_defaults() -> None:
    assert parse(SAMPLE.read_text()) == parse("")


def test_the_lines_commented_out_of_the_sample_are_the_defaults_of_their_table() -> None:
    text = SAMPLE.read_text()
    start = text.index("# [influxdb]")
    end = text.index("\n\n", start)
    table = "\n".join(line.removeprefix("# ") for line in text[start:end].splitlines())
    assert parse(table).influxdb == InfluxConfig()
    hourly = text[text.index("# [influxdb.hourly]") :]
    table = "\n".join(line.removeprefix("# ") for line in hourly[: hourly.index("\n\n")].splitlines())
    assert parse(table).influxdb == InfluxConfig(hourly=HourlyConfig())


def test_every_key_stands_in_the_sample() -> None:
    text = SAMPLE.read_text()
    tables = [
        CollectorConfig(),
        *(getattr(CollectorConfig(), name) for name in ("broker", "lake", "journal", "ledger", "metrics")),
        InfluxConfig(),
        HourlyConfig(),
    ]
    for table in tables:
        for key in table.__struct_fields__:
            assert f"{key} = " in text or f"[{key}]" in text or f".{key}]" in text, key


@pytest.mark.parametrize(
    ("listen", "address"),
    [("", None), ("127.0.0.1:9464", ("127.0.0.1", 9464)), ("[::1]:9464", ("::1", 9464)), ("h.lan:1", ("h.lan", 1))],
)
def test_where_the_page_is(listen: str, address: tuple[str, int] | None) -> None:
    assert parse(f'[metrics]\nlisten = "{listen}"').metrics.address == address


@pytest.mark.parametrize("listen", ["9464", ":9464", "host:", "host:0", "host:65536", "host:x"])
def test_a_page_that_can_be_nowhere_is_one_line(listen: str) -> None:
    with pytest.raises(ConfigurationError, match=r"collector.toml: metrics.listen .* write host:port"):
        parse(f'[metrics]\nlisten = "{listen}"')


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("p")
    (tmp_path / "c.toml").write_text(
        'state_dir = "s"\n[broker]\nusername = "u"\npassword_file = "secret"\n[lake]\ndir = "/data/lake"\n'
        '[influxdb]\ntoken_file = "t"\n[inventory]\nfile = "i.toml"\n'
    )
    config = read_config(tmp_path / "c.toml")
    assert config.journal_path == tmp_path / "s" / "journal.sqlite3"
    assert config.broker.password_file == str(tmp_path / "secret")
    assert config.lake_dir == Path("/data/lake")
    assert config.influxdb is not None
    assert config.influxdb.token_file == str(tmp_path / "t")
    assert config.influxdb.password_file == ""
    assert config.inventory.file == str(tmp_path / "i.toml")


def test_the_lake_lives_in_the_state_directory_unless_told_otherwise() -> None:
    assert parse('state_dir = "s"').lake_dir == Path("/etc/edgejoule/s/lake")
    assert parse("[lake]\nenabled = false").lake_dir is None


def test_a_lake_may_be_an_address_whose_secrets_stand_in_files() -> None:
    options = (
        'options = {key = "k", secret = {file = "s"}, client_kwargs = {endpoint_url = "http://h", x = {file = "y"}}}'
    )
    assert parse(f'[lake]\ndir = "s3://bucket/lake"\n{options}').lake_dir == LakeUrl(
        "s3://bucket/lake",
        {
            "key": "k",
            "secret": {"file": "/etc/edgejoule/s"},
            "client_kwargs": {"endpoint_url": "http://h", "x": {"file": "/etc/edgejoule/y"}},
        },
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[influxdb.hourly]\ndatabase = 'edgejoule'", "influxdb.hourly.database has to be another one"),
        ("[influxdb]\napi = 'v2'\norg = 'o'\nbucket = ''", "influxdb.bucket is empty"),
        ("[influxdb]\nretention_days = -1", "retention_days"),
        ("stat_dir = 'x'", "unknown key `stat_dir`"),
        ("[lake]\nmax_row = 1", "unknown key `max_row` in `lake`"),
        ("[lake]\nmax_rows = 0", "max_rows"),
        ("[broker]\nurl = 'broker'", "names no MQTT broker"),
        ("[broker]\nprotocol = '3.1'", "protocol"),
        ("[influxdb]\napi = 'v2'", "influxdb.org is empty"),
        ("[influxdb]\napi = 'v4'", "api"),
        ("fleet = 'a/b'", "name one fleet"),
        ("shared_group = 'a/b'", "name it without"),
        ("client_id = ''", "client_id is empty"),
        ("fleet = ''", "fleet is empty"),
        ("state_dir = ''", "state_dir is empty"),
        ("[influxdb]\ndatabase = ''", "influxdb.database is empty"),
        ("state_dir = ", "not valid TOML"),
    ],
)
def test_faults_are_one_line_that_names_the_file(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        parse(text)
    assert str(caught.value).startswith("collector.toml: ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.toml: cannot read it: No such file"):
        read_config(tmp_path / "nothing.toml")
