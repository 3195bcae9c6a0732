"""Golden records: what an agent of any earlier version has sent must be understood for ever.

The files in ``tests/data/wire`` are never changed and never removed. A new field gets a new file.
"""

import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from edge_agent.wire.codec import WireRecord, decode, encode
from edge_agent.wire.grid import GridForecast, GridSlot
from edge_agent.wire.orders import (
    Action,
    BlobChunk,
    BlobRequest,
    CarbonTiming,
    Command,
    CommandReply,
    Deferral,
    SignedCommand,
)
from edge_agent.wire.records import (
    BenchBaseline,
    BenchRecord,
    BenchWindow,
    Birth,
    BootAck,
    BudgetLine,
    DroppedRange,
    Health,
    InferenceWindow,
    Measurand,
    RuntimeIdentity,
    Status,
    StoreAck,
    StoredRange,
    WindowBatch,
)

DIRECTORY = Path(__file__).parents[1] / "data" / "wire"
FILES = sorted(DIRECTORY.glob("*.json"))
KINDS: dict[str, type[WireRecord]] = {
    "windows": WindowBatch,
    "birth": Birth,
    "status": Status,
    "health": Health,
    "bench": BenchRecord,
    "ack": StoreAck,
    "command": Command,
    "signedcommand": SignedCommand,
    "reply": CommandReply,
    "fetch": BlobRequest,
    "blob": BlobChunk,
    "grid": GridForecast,
}
INNER: dict[str, type[msgspec.Struct]] = {
    "records": InferenceWindow,
    "dropped": DroppedRange,
    "acks": BootAck,
    "stored": StoredRange,
    "runtime": RuntimeIdentity,
    "windows": BenchWindow,
    "baseline_before": BenchBaseline,
    "baseline_after": BenchBaseline,
    "gross": Measurand,
    "net": Measurand,
    "budget": BudgetLine,
    "defer": Deferral,
    "carbon": CarbonTiming,
    "slots": GridSlot,
}
"""Which record stands under which name inside another."""
ACTIONS: dict[str, type[msgspec.Struct]] = {str(one.__struct_config__.tag): one for one in get_args(Action)}
"""What a command's ``action`` can be, by its ``kind``."""


def read(path: Path) -> WireRecord:
    kind: Any = KINDS[path.name.split("-")[0].removesuffix(".json")]
    record: WireRecord = decode(path.read_bytes(), kind)
    return record


def assert_within(sent: object, understood: object, where: str) -> None:
    """Everything that was sent is understood under the same name with the same value."""
    if isinstance(sent, dict) and isinstance(understood, dict):
        for key, value in sent.items():
            assert key in understood, f"{where}.{key} is no longer understood"
            assert_within(value, understood[key], f"{where}.{key}")
    elif isinstance(sent, list) and isinstance(understood, list):
        assert len(sent) == len(understood), where
        for index, pair in enumerate(zip(sent, understood, strict=True)):
            assert_within(*pair, f"{where}[{index}]")
    else:
        assert sent == understood, where


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_old_record_is_understood_whole(path: Path) -> None:
    record = read(path)
    assert_within(json.loads(path.read_bytes()), msgspec.json.decode(msgspec.json.encode(_plain(record))), path.name)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_is_sent_today_says_the_same(path: Path) -> None:
    assert json.loads(encode(read(path))) == json.loads(path.read_bytes())


def test_every_kind_and_every_field_stands_in_some_golden_record() -> None:
    seen: dict[str, set[str]] = {}

    def note(kind: str, document: Any) -> None:
        for one in document if isinstance(document, list) else [document]:
            seen.setdefault(kind, set()).update(one)
            if "action" in one:
                note(ACTIONS[one["action"]["kind"]].__name__, one["action"])
            for name in one.keys() & INNER.keys():
                if isinstance(one[name], list | dict):  # the identity's own "runtime" is a name
                    note(INNER[name].__name__, one[name])

    for path in FILES:
        note(type(read(path)).__name__, json.loads(path.read_bytes()))
    for struct in (*KINDS.values(), *INNER.values(), *ACTIONS.values()):
        missing = set(struct.__struct_fields__) - seen[struct.__name__]
        assert not missing, f"{struct.__name__}: no golden record has {missing}; add a new file with them"


def _plain(record: WireRecord) -> dict[str, Any]:
    """Return the record with its defaults written out, which the wire leaves away."""

    def spell_out(value: object) -> object:
        if isinstance(value, msgspec.Struct):
            config = value.__struct_config__
            tag = {} if config.tag_field is None else {config.tag_field: config.tag}
            return tag | {name: spell_out(getattr(value, name)) for name in value.__struct_fields__}
        if isinstance(value, tuple):
            return [spell_out(item) for item in value]
        return value

    spelled = spell_out(record)
    assert isinstance(spelled, dict)
    return spelled
