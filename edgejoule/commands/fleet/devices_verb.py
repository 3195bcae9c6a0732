"""``edgejoule fleet devices``: what was last heard from every device."""

import argparse
import time
from typing import TYPE_CHECKING

from rich.markup import escape

from edgejoule.fleet_tables import plain_table
from edgejoule.journals import opened
from edgejoule.output import EXIT_DONE, stdout_console, write_json

if TYPE_CHECKING:
    from collector.values import DeviceState


def run(arguments: argparse.Namespace) -> int:
    """Print the devices. Raises ConfigurationError."""
    from collector.liveness import is_alive

    with opened(arguments) as journal:
        states = journal.devices()
    now_unix_ns = time.time_ns()
    if arguments.json:
        alive = {f"{state.fleet}/{state.device_id}": is_alive(state, now_unix_ns) for state in states}
        write_json({"read_unix_ns": now_unix_ns, "alive": alive, "devices": states})
        return EXIT_DONE
    table = plain_table("Devices")
    for heading in ("device", "last heard", "model", "meter"):
        table.add_column(heading, overflow="fold")
    for state in states:
        table.add_row(*map(escape, _device_cells(state, now_unix_ns)))
        table.add_section()
    stdout_console().print(table)
    return EXIT_DONE


def _device_cells(state: "DeviceState", now_unix_ns: int) -> tuple[str, ...]:
    from collector.liveness import liveness

    age_s = max(0.0, (now_unix_ns - state.last_seen_unix_ns) / 1e9)
    word = liveness(state, now_unix_ns)
    heard = f"{age_s:.0f} s ago" if age_s < 600 else f"{age_s / 3600:.1f} h ago"
    name = f"{state.fleet}/{state.device_id}"
    if state.birth is None:
        return (name, f"{heard}\n{word}", "–", "–")
    birth = state.birth
    threads = f"{birth.runtime.threads} thread{'s' if birth.runtime.threads != 1 else ''}"
    return (
        f"{name}\n{birth.device_class}\nagent {birth.agent_version}",
        f"{heard}\n{word}",
        f"{birth.model_id}\n{birth.runtime.runtime} {birth.runtime.version}, {threads}\n{birth.runtime.delegate}",
        f"{birth.meter_driver}\n{birth.boundary}" + ("\nsimulated" if birth.simulated else ""),
    )
