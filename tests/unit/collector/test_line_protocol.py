"""Line protocol: what is known becomes a field, what is not has none, and odd names cannot break a line."""

import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.assess import Assessor
from collector.intensity.yearly_table import load_yearly_table
from collector.inventory import parse_inventory
from collector.live_grams import NO_GRAMS
from collector.sinks.line_protocol import TAGS, LineEncoder, escape_tag, own_stamp, string_field
from tests.fakes.windows import PI4, T0_UNIX_NS, make_stored

INVENTORY = """
[[device]]
id = "pi4-01"
hardware = "raspberry-pi-4b-4gb"
device_class = "raspberry-pi-4"
site = "hall, north = 2"
zone = "DE"
lifetime_years = 5.0
"""


def parse(line: str) -> tuple[str, dict[str, str], dict[str, str], int]:
    """Take a line apart by the rules of the protocol's description, independently of the encoder."""
    head, fields, stamp = re.split(r"(?<!\\) (?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", line)
    measurement, *tags = re.split(r"(?<!\\),", head)
    pairs = (re.split(r"(?<!\\)=", tag, maxsplit=1) for tag in tags)
    tag_values = {name: re.sub(r"\\([,= ])", r"\1", value) for name, value in pairs}
    field_values = dict(re.findall(r"(\w+)=(\"(?:[^\"\\]|\\.)*\"|[^,]+)", fields))
    return measurement, tag_values, field_values, int(stamp)


def test_a_plain_row_without_an_inventory() -> None:
    measurement, tags, fields, stamp = parse(LineEncoder().encode(make_stored(3)))
    assert measurement == "inference_window"
    assert stamp - stamp % 1000 == T0_UNIX_NS + 20_000_000_000
    assert tags == {
        "boundary": "usb_dc",
        "device": "pi4-01",
        "fleet": "lab",
        "meter_driver": "tc66c",
        "model": "digits_mlp_int8",
        "simulated": "true",
    }
    assert fields["seq"] == "3i"
    assert fields["inference_count"] == "4100i"
    assert fields["energy_j"] == repr(PI4.power_w * 10.0)
    assert fields["boot"] == '"boot-0001"'
    assert fields["throttled"] == "false"
    assert not {name for name in fields if "gco2e" in name}


def test_with_an_inventory_come_place_and_grams_with_their_range() -> None:
    assessor = Assessor(parse_inventory(INVENTORY), load_yearly_table())
    _, tags, fields, _ = parse(LineEncoder(assessor).encode(make_stored(1)))
    assert (tags["site"], tags["zone"], tags["device_class"]) == ("hall, north = 2", "DE", "raspberry-pi-4")
    for name in ("operational_gco2e", "embodied_gco2e"):
        low, value, high = (float(fields[name + end]) for end in ("_low", "", "_high"))
        assert 0.0 < low <= value <= high


def test_a_device_that_the_inventory_does_not_list_has_no_grams_and_no_empty_tags() -> None:
    assessor = Assessor(parse_inventory(INVENTORY), load_yearly_table())
    row = make_stored(1)
    stranger = type(row)(1, row.fleet, "unlisted", row.boot_id, row.received_unix_ns, row.window)
    _, tags, fields, _ = parse(LineEncoder(assessor).encode(stranger))
    assert not {"site", "zone", "device_class"} & set(tags)
    assert not {name for name in fields if "gco2e" in name}


def test_what_a_window_lacks_has_no_field() -> None:
    row = make_stored(
        1, idle_power_w=None, idle_power_u_w=None, latency_p95_s=None, soc_temp_c=None, throttled=None, gap_s=10.0
    )
    _, _, fields, _ = parse(LineEncoder().encode(row))
    assert not {"idle_power_w", "idle_power_u_w", "latency_p95_s", "soc_temp_c", "throttled", "power_w"} & set(fields)


def test_power_is_of_the_covered_time_only() -> None:
    _, _, fields, _ = parse(LineEncoder().encode(make_stored(1, energy_j=30.0, gap_s=4.0)))
    assert float(fields["power_w"]) == 5.0


def test_numbers_that_are_none_are_never_written() -> None:
    row = make_stored(1, energy_j=math.nan, energy_u_j=math.inf, soc_temp_c=math.nan)
    _, _, fields, _ = parse(LineEncoder().encode(row))
    assert not {"energy_j", "energy_u_j", "soc_temp_c", "power_w"} & set(fields)
    assert fields["duration_s"] == "10.0"


def test_tags_stand_in_lexical_order() -> None:
    assert list(TAGS) == sorted(TAGS)


@given(st.text(min_size=1, max_size=30))
def test_no_name_can_end_a_tag_or_a_line(name: str) -> None:
    encoded = escape_tag(name)
    assert encoded
    assert not any(ord(character) < 0x20 for character in encoded)
    assert not encoded.endswith("\\")
    assert not re.search(r"(?<!\\)[,= ]", encoded)


@given(st.text(st.characters(exclude_categories=["Cc"]), min_size=1, max_size=30).filter(lambda t: t[-1] != "\\"))
def test_a_printable_name_survives(name: str) -> None:
    assert re.sub(r"\\([,= ])", r"\1", escape_tag(name)) == name


@given(st.text(max_size=30))
def test_a_string_field_survives(value: str) -> None:
    inner = string_field(value)[1:-1]
    assert re.fullmatch(r'(?:[^"\\]|\\["\\])*', inner, flags=re.DOTALL)
    assert re.sub(r'\\(["\\])', r"\1", inner) == value


@given(fleet=st.text(min_size=1, max_size=20), boot_id=st.text(max_size=20))
def test_a_line_is_one_line_whatever_the_fleet_is_called(fleet: str, boot_id: str) -> None:
    line = LineEncoder().encode(make_stored(1, fleet=fleet, boot_id=boot_id))
    assert line.startswith("inference_window,boundary=usb_dc,device=pi4-01,fleet=")
    assert line.rpartition(" ")[2].startswith(str(T0_UNIX_NS // 1000))


def test_net_energy_and_the_devices_state_are_fields() -> None:
    state: dict[str, Any] = {
        "governor": 'on "demand"',
        "freq_max_mhz": 1800.0,
        "other_cpu_ratio": 0.25,
        "soc_temp_max_c": 83.0,
    }
    net: dict[str, Any] = {
        "net_energy_j": -0.5,
        "net_energy_u_j": 0.25,
        "flags": ("net_negative", "gap"),
        "systematic_id": "tc66c",
    }
    _, tags, fields, _ = parse(LineEncoder().encode(make_stored(1, **state, **net)))
    assert (fields["net_energy_j"], fields["net_energy_u_j"]) == ("-0.5", "0.25")
    assert (fields["flags"], fields["systematic_id"]) == ('"net_negative gap"', '"tc66c"')
    assert fields["governor"] == r'"on \"demand\""'
    assert (fields["freq_max_mhz"], fields["other_cpu_ratio"], fields["soc_temp_max_c"]) == ("1800.0", "0.25", "83.0")
    assert set(tags) <= set(TAGS)
    _, _, plain, _ = parse(LineEncoder().encode(make_stored(1)))
    assert not {"net_energy_j", "flags", "systematic_id", "governor", "freq_min_mhz"} & set(plain)


@given(values=st.lists(st.floats(), min_size=4, max_size=4), count=st.integers(0, 2**63 - 1))
def test_every_number_reads_back_as_the_same_or_has_no_field(values: list[float], count: int) -> None:
    names = ("energy_j", "energy_u_j", "latency_p50_s", "net_energy_j")
    changes: dict[str, Any] = dict(zip(names, values, strict=True))
    _, _, fields, _ = parse(LineEncoder().encode(make_stored(1, inference_count=count, **changes)))
    for name, value in changes.items():
        assert (float(fields[name]) == value) if math.isfinite(value) else name not in fields
    assert fields["inference_count"] == f"{count}i"


@given(patterns=st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=12))
def test_one_encoder_writes_what_is_known_however_that_changes_from_row_to_row(
    patterns: list[tuple[bool, bool, bool]],
) -> None:
    encoder = LineEncoder()
    names = ("soc_temp_c", "net_energy_j", "t_start_early_s")
    for row_id, pattern in enumerate(patterns, 1):
        changes: dict[str, Any] = {name: 1.5 if known else None for name, known in zip(names, pattern, strict=True)}
        _, _, fields, _ = parse(encoder.encode(make_stored(row_id, **changes)))
        assert fields["seq"] == f"{row_id}i"
        assert [name in fields for name in names] == list(pattern)


def test_words_with_a_per_cent_sign_stay_words() -> None:
    _, tags, fields, _ = parse(LineEncoder().encode(make_stored(1, fleet="100%s", boot_id="%d%%", governor="%(x)s")))
    assert (tags["fleet"], fields["boot"], fields["governor"]) == ("100%s", '"%d%%"', '"%(x)s"')


def test_windows_with_the_same_start_have_stamps_of_their_own_and_keep_them() -> None:
    encoder = LineEncoder()
    rows = [make_stored(1, seq=seq, t_start_unix_ns=T0_UNIX_NS) for seq in (1, 2, 361, 3601, 86401)]
    rows += [make_stored(1, seq=1, boot_id="boot-0002", t_start_unix_ns=T0_UNIX_NS)]
    stamps = [parse(encoder.encode(row))[3] for row in rows]
    assert len(set(stamps)) == len(rows)
    assert all(0 <= stamp - T0_UNIX_NS < 1000 for stamp in stamps)
    assert [parse(LineEncoder().encode(row))[3] for row in rows] == stamps, "another process finds the same"


@given(t_unix_ns=st.integers(0, 2**63 - 1), number=st.integers(0, 2**60))
def test_a_stamp_moves_less_than_a_microsecond_and_stays_in_range(t_unix_ns: int, number: int) -> None:
    stamp = own_stamp(t_unix_ns, number)
    assert abs(stamp - t_unix_ns) < 1000
    assert stamp < 2**63


def test_the_grams_of_a_line_are_those_of_an_assessment() -> None:
    assessor = Assessor(parse_inventory(INVENTORY + "in_service_since = 2021-10-09\n"), load_yearly_table())
    late_ns = 5 * 8760 * 3_600_000_000_000 + T0_UNIX_NS - 4 * 31_536_000_000_000_000
    for changes in ({}, {"energy_u_j": 30.0}, {"energy_j": -2.0}, {"t_start_unix_ns": late_ns}, {"duration_s": 1e9}):
        typed: dict[str, Any] = changes
        row = make_stored(1, **typed)
        w = row.window
        carbon = assessor.assess(
            row.device_id,
            energy_j=w.energy_j,
            energy_u_j=w.energy_u_j,
            start_unix_ns=w.t_start_unix_ns,
            duration_s=w.duration_s,
        )
        assert carbon.operational is not None
        assert carbon.embodied is not None
        assert carbon.operational_yearly is not None
        expected = (*carbon.operational.range, *carbon.embodied.range, carbon.operational_yearly.value)
        assert assessor.grams(row.device_id, w).figures[:7] == pytest.approx(expected, rel=1e-13, abs=1e-30)
    assert assessor.grams("unlisted", make_stored(1).window) == NO_GRAMS
    assert assessor.grams("pi4-01", make_stored(1, energy_j=math.inf).window).figures[0] is None
