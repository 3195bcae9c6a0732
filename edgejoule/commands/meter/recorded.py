"""What ``decode`` and ``replay`` say of a recording, to programs and to people."""

from dataclasses import fields
from typing import Any

from edgejoule.commands.meter.figures import Figures, field_rows, print_figures
from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console, write_json
from firmware_bridge.recording import Recording
from firmware_bridge.tally import Summary

TIME_WORDS = {
    "device": "the meter's own clock",
    "arrival": "arrival at the recording host",
    "nominal": "nominal, one sample interval apart",
}


def report(recording: Recording, summary: Summary, *, as_json: bool, stopped: bool = False) -> int:
    """Print the figures; return the exit code: 1 where there was no sample."""
    if as_json:
        write_json(_facts(recording, summary, stopped=stopped))
    elif summary.samples:
        print_figures(_figures(recording, summary))
    if recording.cut_bytes:
        stderr_console().print(
            f"note: the file ends inside a frame; {recording.cut_bytes} bytes were left out", markup=False
        )
    return EXIT_DONE if summary.samples else EXIT_NO


def _facts(recording: Recording, summary: Summary, *, stopped: bool) -> dict[str, Any]:
    header = recording.header
    facts = {field.name: getattr(summary, field.name) for field in fields(summary)}
    return {
        **facts,
        "time_basis": recording.time_basis,
        "received_bytes": recording.received_bytes,
        "cut_bytes": recording.cut_bytes,
        "stopped": stopped,
        "simulated": None if header is None else header.simulated,
        "recorded": header,
    }


def _figures(recording: Recording, summary: Summary) -> Figures:
    more = {"times": TIME_WORDS[recording.time_basis]}
    if summary.stale_samples:
        more["stale"] = f"{summary.stale_samples:,} samples, the register was read again"
    if summary.marker_count:
        more["marker edges"] = f"{summary.marker_count:,}"
    if summary.complaint:
        more["the meter says"] = summary.complaint
    if summary.mean_voltage_v is not None:
        more["mean voltage"] = f"{summary.mean_voltage_v:.5f} V"
        more["mean current"] = f"{summary.mean_current_a:.6g} A"
    return Figures(
        total=summary.total,
        limits_j=summary.energy_limits_j,
        identity=summary.identity,
        frame_errors=summary.frame_errors,
        simulated=recording.header is not None and bool(recording.header.simulated),
        more={**more, **field_rows(summary.last)},
    )
