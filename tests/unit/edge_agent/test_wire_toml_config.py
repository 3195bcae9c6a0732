"""A TOML file becomes a typed struct, or one line that says what is wrong, where, and what it could have been."""

from pathlib import Path
from typing import Literal

import msgspec
import pytest

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.toml_config import decode_toml, read_toml


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    kind: Literal["serial", "network"] = "serial"
    port: str = ""
    baud_hz: int = 9600


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    meter: Inner | None = None
    device: list[Inner] = []
    by_name: dict[str, Inner] = {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[meter]\nprot = 'x'", "f.toml: unknown key `prot` in `meter`; did you mean port?"),
        ("[meter]\nzzz = 'x'", "f.toml: unknown key `zzz` in `meter`; it knows kind, port, baud_hz"),
        ("metre = 1", "f.toml: unknown key `metre`; did you mean meter?"),
        ("[[device]]\n[[device]]\nprt = 1", "f.toml: unknown key `prt` in `device[1]`; did you mean port?"),
        ("[meter]\nkind = 'seriel'", "f.toml: Invalid enum value 'seriel' in `meter.kind`; did you mean serial?"),
        (
            "[by_name.x]\nkind = 'z'",
            "f.toml: Invalid enum value 'z' in `by_name[...].kind`; it is one of network, serial",
        ),
        ("[meter]\nbaud_hz = 'x'", "f.toml: Expected `int`, got `str` in `meter.baud_hz`"),
        (
            "[[device]]\n[[device]]\nport = 'a'\n[meter]\nport = \"a\\u0000b\"",
            "f.toml: `meter.port` holds the character NUL",
        ),
        ('[[device]]\nport = "\\u0000"', "f.toml: `device.0.port` holds the character NUL"),
        ("[meter", "f.toml: not valid TOML: "),
        pytest.param("a = " + "[" * 5000, "f.toml: not valid TOML: ", id="brackets"),
        pytest.param("a = " + "9" * 5000, "f.toml: not valid TOML: ", id="digits"),
    ],
)
def test_a_fault_is_one_line(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        decode_toml(text, Outer, "f.toml")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_good_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("[meter]\nport = 'p'\n")
    assert read_toml(path, Outer) == Outer(meter=Inner(port="p"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.toml: cannot read it: No such file"):
        read_toml(tmp_path / "absent.toml", Outer)
