"""``edgejoule agent bench``: what the command line amounts to, and each way to get it wrong in one line."""

import argparse
from pathlib import Path

import pytest

from edge_agent.bench_app import Order
from edge_agent.model_catalog import find_model
from edge_agent.wire.errors import ConfigurationError
from edgejoule.cli import main
from edgejoule.commands import agent
from edgejoule.commands.agent.bench_order import order_of
from tests.fakes.agent import agent_toml

METER = ("--driver", "tc66c", "--port", "/dev/ttyUSB0", "--boundary", "usb_dc")
MODEL = "digits_mlp_int8"


def order(*words: str) -> Order:
    parser = argparse.ArgumentParser()
    agent.add_arguments(parser)
    return order_of(parser.parse_args(["bench", *words]))


def test_flags_alone_name_everything_and_keep_nothing() -> None:
    found = order(MODEL, *METER, "--option", "a=1", "--meter-id", "m7", "--threads", "2")
    config = found.config
    assert (config.meter.driver, config.meter.port, config.meter.boundary) == ("tc66c", "/dev/ttyUSB0", "usb_dc")
    assert (config.meter.options, config.meter.meter_id) == ({"a": "1"}, "m7")
    assert (config.model.id, config.model.threads) == (MODEL, 2)
    assert (config.bench.windows, config.bench.window_s, config.bench.baseline_s) == (5, 10.0, 10.0)
    assert not found.keep
    assert not found.publish
    assert not found.smoke


def test_a_state_dir_keeps_the_record(tmp_path: Path) -> None:
    found = order(MODEL, *METER, "--state-dir", str(tmp_path))
    assert found.keep
    assert not found.publish
    assert found.config.device.state_dir == str(tmp_path)


def test_a_configuration_is_enough_and_flags_override_it(tmp_path: Path) -> None:
    path = str(agent_toml(tmp_path, bench="windows = 7\nmax_spread_ratio = 0.5"))
    found = order("--config", path)
    assert found.keep
    assert found.publish
    assert (found.config.bench.windows, found.config.model.id) == (7, MODEL)
    changed = order("--config", path, "--windows", "9", "--seconds", "12", "--align", "none", "--no-publish")
    assert (changed.config.bench.windows, changed.config.bench.window_s) == (9, 12.0)
    assert changed.config.bench.max_spread_ratio == 0.5
    assert changed.config.align.method == "none"
    assert not changed.publish


def test_a_file_is_hashed_and_named_by_its_stem(tmp_path: Path) -> None:
    catalog = find_model(MODEL)
    assert catalog.check_set is not None
    copy = tmp_path / "my model+1.tflite"
    copy.write_bytes(catalog.path.read_bytes())
    found = order(str(copy), *METER, "--check-set", str(catalog.check_set)).config.model
    assert (found.id, found.sha256, found.path) == ("my-model-1", catalog.sha256, str(copy))
    assert found.check_set == str(catalog.check_set)


def test_a_smoke_run_is_short_unless_told_otherwise() -> None:
    found = order(MODEL, *METER, "--smoke", "--seconds", "0.5")
    assert found.smoke
    assert (found.config.bench.windows, found.config.bench.window_s) == (4, 0.5)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*METER,), "name a MODEL"),
        ((MODEL,), "--driver and --port are missing"),
        ((MODEL, "--driver", "tc66c"), "--port is missing: name the meter by --driver, --port and --boundary, or"),
        ((MODEL, *METER[:4]), "a tc66c takes --boundary usb_dc"),
        (
            (MODEL, "--driver", "powersensor3", "--port", "x"),
            "--boundary usb_dc or --boundary dc_input; there is no default",
        ),
        ((MODEL, "--driver", "dsmr_p1", "--port", "x"), "a dsmr_p1 measures a whole site"),
        ((MODEL, *METER, "--check-set", "x.npz"), "--check-set is for a model file"),
        ((MODEL, *METER, "--threads", "0"), "--threads: Expected `int` >= 1"),
        ((MODEL, *METER, "--align", "gpio_marker"), '--align: method = "gpio_marker" needs a line'),
        ((MODEL, *METER, "--device-id", "a b"), "--device-id: "),
        (("nowhere/model.tflite", *METER), "cannot read the model"),
    ],
)
def test_what_is_missing_or_wrong_is_one_line(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        order(*words)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_configuration_and_a_meter_by_flags_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--driver and --config exclude each other"):
        order("--config", str(agent_toml(tmp_path)), "--driver", "tc66c")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--windows", "4"), "4 windows are too few: 5 are the least; take more, or say --smoke"),
        (("--seconds", "5"), "windows of 5 s are too short: 10 s is the least; take more, or say --smoke"),
        (("--smoke", "--windows", "3"), "3 windows are too few: 4 are the least"),
        (("--report", "x.pdf"), "--report x.pdf: name a file that ends in .html or .md"),
        (("--json", "no/such/place.json"), "no/such/place.json: its directory is not there"),
        (("--json", __file__), "exists already; name another file, or overwrite it with --force"),
    ],
)
def test_what_cannot_end_well_is_refused_before_it_begins(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["agent", "bench", MODEL, *METER, *words]) == 2
    said_so = capsys.readouterr().err
    assert said in said_so
    assert said_so.count("\n") == 1
