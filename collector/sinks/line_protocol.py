"""Windows as InfluxDB line protocol: measurement ``inference_window``, one line per window, nanosecond stamps.

Tags: fleet, device, site, zone, device_class, model, meter_driver, boundary, simulated. All are of low cardinality;
an empty one is left out, since the protocol has no empty tag value. A line with the same tags and time as an earlier
one replaces it, so that writing again is harmless. So no tag may be added for what older windows lack too: what is
new is a field, ``systematic_id`` among them.

``intensity_quality`` says what the operational grams rest on: actual, estimated, forecast or yearly. When an intensity
is revised, the grams are assessed again, and their fields alone are written over (``gram_lines``).

A line's time is the window's start to the microsecond; its last three digits come from the window's boot and number
(``own_stamp``), so that two windows of one device whose clock was put back do not replace one another.

What makes this several times faster than building a point object per row: tags and words are escaped once and cached
as a template, and all numbers of a row become text in one call of msgspec, which writes the shortest decimal that
reads back as the same float, as ``repr`` does, ten times as fast.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any, Final, Protocol

from msgspec.json import encode as encode_json

from collector.assess import Assessor, DevicePlace
from collector.carbon.timeline import Quality
from collector.live_grams import GRAM_FIELDS, NO_GRAMS
from collector.values import StoredWindow
from edge_agent.wire.records import InferenceWindow

MEASUREMENT: Final = "inference_window"
TAGS: Final = (
    "boundary",
    "device",
    "device_class",
    "fleet",
    "meter_driver",
    "model",
    "simulated",
    "site",
    "zone",
)
"""In lexical order, which spares the server from sorting."""

_UNKNOWN_TO_TAGS: Final = dict.fromkeys((*range(32), 127), "_")
_TAG_ESCAPES: Final = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})
_STRING_ESCAPES: Final = str.maketrans({'"': '\\"', "\\": "\\\\"})
_INTEGERS: Final = ("seq", "inference_count", "frame_error_count")
_FLOATS: Final = (
    "duration_s",
    "energy_j",
    "energy_u_j",
    "energy_u_systematic_j",
    "gap_s",
    "busy_s",
    "sample_count",
    "lost_count",
    "sync_residual_s",
    "idle_power_w",
    "idle_power_u_w",
    "latency_p50_s",
    "latency_p95_s",
    "latency_max_s",
    "soc_temp_c",
    "freq_mhz",
    "net_energy_j",
    "net_energy_u_j",
    "freq_min_mhz",
    "freq_max_mhz",
    "soc_temp_max_c",
    "agent_cpu_ratio",
    "overhead_cpu_ratio",
    "other_cpu_ratio",
    "t_start_early_s",
)
_SLOTS: Final = (
    *(f"{name}=%si" for name in _INTEGERS),
    *(f"{name}=%s" for name in (*_FLOATS, "power_w", *GRAM_FIELDS)),
)
_numbers_of: Final[Callable[[InferenceWindow], tuple[Any, ...]]] = attrgetter(*_INTEGERS, *_FLOATS)
_words_of: Final[Callable[[InferenceWindow], tuple[Any, ...]]] = attrgetter(
    *("model_id", "meter_driver", "boundary", "simulated", "clock_state"),
    *("throttled", "governor", "systematic_id", "flags"),
)
_UNKNOWN: Final = "null"
_MOST_TEMPLATES: Final = 20_000
_LONGEST_TEMPLATE: Final = 4000
"""Words of a window may be as long as a message; those of a real one are a few hundred characters."""
_STAMPS_PER_MICROSECOND: Final = 997
"""The largest prime below 1000: numbers that lie a round count apart (3600, 86400) get different stamps."""
_LAST_STAMP_UNIX_NS: Final = 2**63 - 1000


@dataclass(frozen=True, slots=True)
class _Template:
    """A line without its numbers. ``known``: which of a row's numbers it has a place for; ``unknown_count``: the rest.

    ``boot_crc``: what the boot adds to the stamp.
    """

    text: str
    boot_crc: int
    known: Callable[[list[str]], tuple[str, ...]]
    unknown_count: int


class LineEncoder:
    """Turns rows into lines; with an assessor, site and zone become tags and gCO2e become fields.

    A device's tags are read from the inventory once, so a changed inventory needs a new encoder.
    """

    def __init__(self, assessor: Assessor | None = None) -> None:
        self._assessor = assessor
        self._templates: dict[tuple[Any, ...], _Template] = {}

    def encode(self, row: StoredWindow) -> str:
        """Return the line of ``row``, without the newline. What is unknown or not finite has no field."""
        w = row.window
        covered_s = w.duration_s - w.gap_s
        power_w = w.energy_j / covered_s if covered_s > 0.0 else None
        grams = NO_GRAMS if self._assessor is None else self._assessor.grams(row.device_id, w)
        text = encode_json((*_numbers_of(w), power_w, *grams.figures))[1:-1].decode()
        numbers = text.split(",")
        key = (row.fleet, row.device_id, row.boot_id, _words_of(w), grams.quality)
        template = self._templates.get(key) or self._template(key, w, numbers)
        known = template.known(numbers)
        if (unknown_count := text.count(_UNKNOWN)) != template.unknown_count or (unknown_count and _UNKNOWN in known):
            template = self._template(key, w, numbers)
            known = template.known(numbers)
        stamp = own_stamp(w.t_start_unix_ns, template.boot_crc + w.seq)
        return f"{template.text % known} {stamp}"

    def _template(self, key: tuple[Any, ...], w: InferenceWindow, numbers: list[str]) -> _Template:
        """Return the template for these words and for this choice of known numbers, made once unless it is huge."""
        unknown = tuple(index for index, number in enumerate(numbers) if number == _UNKNOWN)
        template = self._templates.get((*key, unknown))
        if template is None:
            if len(self._templates) > _MOST_TEMPLATES:
                self._templates.clear()
            template = self._make_template(key, w, unknown)
            if len(template.text) > _LONGEST_TEMPLATE:
                return template
            self._templates[(*key, unknown)] = template
        self._templates[key] = template  # what came last is tried first
        return template

    def _make_template(self, key: tuple[Any, ...], w: InferenceWindow, unknown: tuple[int, ...]) -> _Template:
        fleet, device_id, boot_id, _, quality = key
        known = [index for index in range(len(_SLOTS)) if index not in unknown]
        words = f"{self._tags(fleet, device_id, w)} {_words(boot_id, w)}{quality_field(quality)}"
        return _Template(
            text=",".join((words.replace("%", "%%"), *(_SLOTS[index] for index in known))),
            boot_crc=boot_crc(boot_id),
            known=itemgetter(*known),  # three or more: a window has its integers
            unknown_count=len(unknown),
        )

    def _tags(self, fleet: str, device_id: str, w: InferenceWindow) -> str:
        place = DevicePlace() if self._assessor is None else self._assessor.describe(device_id)
        return tags_of(fleet, device_id, w, place)


class Tagged(Protocol):
    """What of a window stands in the tags of its line."""

    @property
    def model_id(self) -> str:
        """Its model."""

    @property
    def meter_driver(self) -> str:
        """Its meter's type."""

    @property
    def boundary(self) -> str:
        """Where the meter sits."""

    @property
    def simulated(self) -> bool:
        """Whether a figure comes from an emulated meter."""


def tags_of(fleet: str, device_id: str, w: Tagged, place: DevicePlace) -> str:
    """Return measurement and tags of a window's line: with its time, what makes it the same point."""
    tags = {
        "fleet": fleet,
        "device": device_id,
        "model": w.model_id,
        "meter_driver": w.meter_driver,
        "boundary": w.boundary,
        "simulated": "true" if w.simulated else "false",
        "site": place.site,
        "zone": place.zone,
        "device_class": place.device_class,
    }
    return tagged(MEASUREMENT, {name: tags[name] for name in TAGS})


def quality_field(quality: Quality | None) -> str:
    """Return the field, with its comma, that says what the operational grams rest on; "" where they are unknown."""
    return "" if quality is None else f',intensity_quality="{quality}"'


def boot_crc(boot_id: str) -> int:
    """Return what a boot adds to the stamps of its windows."""
    return zlib.crc32(boot_id.encode(errors="replace"))


def own_stamp(t_unix_ns: int, number: int) -> int:
    """Return ``t_unix_ns`` with digits of its own below the microsecond, which no device's clock knows.

    The same ``number`` gives the same stamp, so that writing again is harmless. Numbers that follow one another, or
    lie a round count apart, differ; others collide in one of 997 cases. The last microsecond that fits is left alone.
    """
    if t_unix_ns >= _LAST_STAMP_UNIX_NS:
        return t_unix_ns
    return t_unix_ns - t_unix_ns % 1000 + number % _STAMPS_PER_MICROSECOND


def tagged(measurement: str, tags: dict[str, str]) -> str:
    """Return the part of a line in front of its fields; tags in the order given, an empty one left out."""
    return measurement + "".join(f",{name}={escape_tag(value)}" for name, value in tags.items() if value)


@lru_cache(maxsize=4096)
def escape_tag(value: str) -> str:
    """Return ``value`` as a tag value stands in a line.

    Comma, equals sign and space are escaped. Two things have no form in line protocol and are changed: control
    characters become ``_`` and a backslash at the end gets a ``_`` behind it. Other backslashes stand for themselves.
    """
    plain = value.translate(_UNKNOWN_TO_TAGS)
    if plain.endswith("\\"):
        plain += "_"
    return plain.translate(_TAG_ESCAPES)


def string_field(value: str) -> str:
    """Return ``value`` as a quoted string field: quotation marks and backslashes are escaped."""
    return f'"{value.translate(_STRING_ESCAPES)}"'


def _words(boot_id: str, w: InferenceWindow) -> str:
    """Return the fields that are no numbers."""
    words = [f"boot={string_field(boot_id)}", f'clock_state="{w.clock_state}"']
    if w.throttled is not None:
        words.append(f"throttled={'true' if w.throttled else 'false'}")
    if w.governor:
        words.append(f"governor={string_field(w.governor)}")
    if w.systematic_id:
        words.append(f"systematic_id={string_field(w.systematic_id)}")
    if w.flags:
        words.append(f'flags="{" ".join(w.flags)}"')
    return ",".join(words)
