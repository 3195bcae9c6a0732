"""The figures as InfluxDB line protocol: what ``fleet ledger`` says, as a series.

``ledger``, one point per device: tags device and fleet, integer fields as in ``fleet ledger --json``. Of a collector
that shares the messages with others also the tag collector, and neither pending nor missing: alone it can't know them.
``collector_sink``, one per store: tags collector and sink. ``collector``, one: tag collector.
"""

from typing import Final

from collector.figures import Figures
from collector.sinks.line_protocol import escape_tag
from collector.values import LedgerCounts

MEASUREMENT: Final = "ledger"
SINK_MEASUREMENT: Final = "collector_sink"
COLLECTOR_MEASUREMENT: Final = "collector"
UNKNOWN_ALONE: Final = frozenset({"pending", "missing"})
"""Counts that one collector of a group can't know."""
_FIELDS: Final = LedgerCounts.__struct_fields__


def known_fields(figures: Figures) -> tuple[str, ...]:
    """Return the counts of the ledger that this collector can know."""
    return tuple(name for name in _FIELDS if not (figures.shared_group and name in UNKNOWN_ALONE))


def lines(figures: Figures, collector: str) -> list[str]:
    """Return the lines of one instant. ``collector``: its client id."""
    me = f",collector={escape_tag(collector)}"
    shared = me if figures.shared_group else ""
    names = known_fields(figures)
    found = [
        f"{MEASUREMENT}{shared},device={escape_tag(line.device_id)},fleet={escape_tag(line.fleet)} "
        f"{','.join(f'{name}={getattr(line, name)}i' for name in names)} {figures.t_unix_ns}"
        for line in figures.ledger.devices
    ]
    found += [
        f"{SINK_MEASUREMENT}{me},sink={escape_tag(sink.sink)} "
        f"lag_rows={sink.rows}i,lag_s={sink.lag_s!r} {figures.t_unix_ns}"
        for sink in figures.sinks
    ]
    runtime = figures.runtime
    own = {
        "broker_connected": int(runtime.broker_connected),
        "queue_messages": runtime.queue_messages,
        "queue_bytes": runtime.queue_bytes,
        "commits": runtime.commits,
        **{f"dead_letters_{kind}": count for kind, count in figures.letters.items()},
        "dead_letters_bytes": figures.letters_bytes,
        "dead_letters_of_strangers": figures.ledger.strangers,
    }
    fields = ",".join(f"{name}={value}i" for name, value in own.items())
    return [*found, f"{COLLECTOR_MEASUREMENT}{me} {fields} {figures.t_unix_ns}"]
