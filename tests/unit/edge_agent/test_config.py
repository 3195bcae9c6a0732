from pathlib import Path

import msgspec
import pytest

import edge_agent
from edge_agent.config import AgentConfig, load_config
from edge_agent.jobs.config import JobConfig
from edge_agent.wire.errors import ConfigurationError

SAMPLE = Path(edge_agent.__file__).parent / "agent.sample.toml"
MINIMAL = """
[device]
id = "kitchen-pi"
[meter]
driver = "tc66c"
port = "/dev/serial/by-id/usb-your-meter"
boundary = "usb_dc"
[model]
id = "digits_mlp_int8"
[broker]
"""


def load(directory: Path, text: str) -> AgentConfig:
    path = directory / "agent.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def test_the_sample_says_the_defaults(tmp_path: Path) -> None:
    assert load_config(SAMPLE) == load(tmp_path, MINIMAL)


def test_the_sample_names_every_key() -> None:
    text = SAMPLE.read_text(encoding="utf-8")
    for section in msgspec.structs.fields(AgentConfig):
        assert f"[{section.name}]" in text
        table = JobConfig if section.name == "job" else section.type
        for field in msgspec.structs.fields(table):
            assert f"{field.name} = " in text or f"[{section.name}.{field.name}]" in text, field.name


@pytest.mark.parametrize("wrong", ["gain_ratio = inf", "offset_a = nan", "gain_u_ratio = inf", "offset_u_a = -inf"])
def test_a_certificate_has_finite_numbers(tmp_path: Path, wrong: str) -> None:
    lines = ["gain_ratio = 1.0", "offset_a = 0.0", "gain_u_ratio = 0.0", "offset_u_a = 0.0"]
    lines = [wrong if line.split()[0] == wrong.split(maxsplit=1)[0] else line for line in lines]
    text = "\n".join([MINIMAL, "[meter.calibration]", *lines, 'certificate = "c"', 'date = "2025-01-31"'])
    with pytest.raises(ConfigurationError, match=r"agent\.toml: .*meter\.calibration"):
        load(tmp_path, text)


def test_paths_start_at_the_file(tmp_path: Path) -> None:
    text = MINIMAL.replace('id = "kitchen-pi"', 'id = "kitchen-pi"\nstate_dir = "state"\npid_file = "run/pid"')
    config = load(tmp_path, text)
    assert config.device.state_dir == str(tmp_path / "state")
    assert config.device.pid_file == str(tmp_path / "run/pid")


@pytest.mark.parametrize(
    ("given", "read"), [("libedgetpu.so.1", "libedgetpu.so.1"), ("./lib/own.so", "{}/lib/own.so"), ("none", "none")]
)
def test_a_delegate_is_a_path_where_it_looks_like_one(given: str, read: str, tmp_path: Path) -> None:
    text = MINIMAL.replace('id = "digits_mlp_int8"', f'id = "digits_mlp_int8"\ndelegate = "{given}"')
    assert load(tmp_path, text).model.delegate == read.format(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[broker]", '[broker]\nurl = "http://x"', ["broker url", "mqtt://host:port"]),
        ("[broker]", "[broker]\ncolour = 1", ["colour", "broker"]),
        ('boundary = "usb_dc"', 'boundary = "usb"', ["meter.boundary", "usb"]),
        ('boundary = "usb_dc"', 'boundary = "usb_dc"\nprot = 1', ["unknown key `prot`", "`meter`"]),
        ('id = "kitchen-pi"', 'id = "kitchen pi"', ["device.id"]),
        ('driver = "tc66c"\n', "", ["missing key `driver`", "meter"]),
        ("[broker]", "[broker]\n[window]\nwindow_s = 0", ["window.window_s"]),
        ("[broker]", "[broker]\n[workload]\nduty_ratio = 1.5", ["workload.duty_ratio"]),
        ("[broker]", "[broker]\n[workload]\nduty_ratio = 0.5\ninferences_per_s = 3", ["exclude each other"]),
        ("[broker]", '[broker]\n[workload]\nkind = "saturate"\nduty_ratio = 0.5', ["neither"]),
        ('id = "digits_mlp_int8"', 'id = "digits_mlp_int8"\npath = "m.tflite"', ["sha256"]),
        ('id = "digits_mlp_int8"', 'id = "digits_mlp_int8"\ncheck_set = "c.npz"', ["check_set", "path"]),
        ("[broker]", "[broker", ["not valid TOML"]),
    ],
)
def test_a_fault_is_one_line_that_names_file_and_place(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, MINIMAL.replace(old, new))
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "agent.toml"))
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_a_rate_replaces_the_duty_ratio(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL + "[workload]\ninferences_per_s = 5\n")
    assert (config.workload.duty_ratio, config.workload.inferences_per_s) == (None, 5.0)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.toml"):
        load_config(tmp_path / "absent.toml")
