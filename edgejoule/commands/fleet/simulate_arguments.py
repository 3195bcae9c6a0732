"""The words of ``edgejoule fleet simulate``, and the plan that they make."""

import argparse
import re
import secrets
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edge_agent.wire.errors import ConfigurationError
from edgejoule.argument_types import not_negative, positive, share, whole

if TYPE_CHECKING:
    from edgejoule.simulate.plan import Faults, Plan

_EPILOG: Final = """\
Example: 200 devices for a minute with everything going wrong, then compared
with the collector's books:
  edgejoule fleet simulate --broker mqtt://127.0.0.1 --devices 200 --rate 1 \\
      --seconds 60 --chaos --check --config collector.toml
A day without network for 100 devices, delivered while new windows go on:
  edgejoule fleet simulate --devices 100 --outage-s 86400 --window-s 10 \\
      --rate 1 --seconds 60
"""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_DEFAULT_WINDOW_S: Final = 10.0
_FAULT_WORDS: Final = {
    "losses_per_min": (not_negative, "X", "connections cut, per device and minute"),
    "outages_per_min": (not_negative, "X", "outages, per device and minute"),
    "outage_length_s": (positive, "S", "mean length of such an outage (10)"),
    "duplicate_ratio": (share, "R", "share of the messages that are sent again, though acknowledged"),
    "reorder_ratio": (share, "R", "share of the messages that are swapped with the next"),
    "clock_jumps_per_min": (not_negative, "X", "clocks set by seconds to days, per device and minute"),
    "reboots_per_min": (not_negative, "X", "reboots, per device and minute"),
    "skewed_ratio": (share, "R", "share of the devices whose clock is wrong and drifts"),
    "slow_ratio": (share, "R", "share of the devices that send and read slowly"),
    "small_outbox_ratio": (share, "R", "share of the devices with a small outbox, which declare drops"),
    "small_outbox_windows": (whole, "N", "how many windows a small outbox holds (5)"),
    "vanish_ratio": (share, "R", "share of the devices that vanish for good"),
    "garbage_messages": (whole, "G", "messages of garbage from one bad citizen"),
}


def add_simulate(what: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare ``simulate``."""
    parser = what.add_parser(
        "simulate",
        help="play a fleet of any size against your broker and collector, with faults",
        description="Play a fleet on the real wire, without meters. Every record says: simulated.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_broker(parser.add_argument_group("broker"))
    _add_load(parser.add_argument_group("load"))
    faults = parser.add_argument_group("faults", "none without these; single switches go over --chaos")
    faults.add_argument("--chaos", action="store_true", help="a bit of everything below")
    for name, (kind, metavar, text) in _FAULT_WORDS.items():
        faults.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=metavar, help=text)
    _add_outcome(parser.add_argument_group("outcome"))


def _add_broker(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--broker", default="mqtt://127.0.0.1:1883", metavar="URL", help="mqtt:// or mqtts://host:port")
    group.add_argument("--username", default="", metavar="NAME", help="{device} in it stands for the device's id")
    for name in ("password", "ca", "cert", "key"):
        group.add_argument(f"--{name}-file", default="", metavar="FILE", help=f"as {name}_file in [broker]")
    group.add_argument("--protocol", choices=("5", "3.1.1"), default="5", help="MQTT version (5)")
    group.add_argument("--connecting", type=whole, default=20, metavar="N", help="connects at a time (20)")


def _add_load(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--devices", type=whole, default=10, metavar="N", help="how many (10)")
    group.add_argument("--rate", type=positive, metavar="R", help="windows per second and device (speed / window-s)")
    group.add_argument(
        "--window-s", type=positive, metavar="S", help="how long a window says it lasted (speed / rate, or 10)"
    )
    group.add_argument("--windows-per-message", type=whole, default=1, metavar="N", help="1 to 60 (1)")
    group.add_argument(
        "--speed", type=positive, default=1.0, metavar="X", help="the devices' clocks run X times as fast"
    )
    end = group.add_mutually_exclusive_group()
    end.add_argument("--seconds", type=positive, metavar="S", help="length of the live part (until Ctrl-C)")
    end.add_argument("--windows", type=whole, metavar="W", help="windows of each device, instead of --seconds")
    group.add_argument(
        "--outage-s", type=not_negative, default=0.0, metavar="S", help="begin with the backlog of such an outage"
    )
    group.add_argument(
        "--outbox-windows", type=whole, default=1_000_000, metavar="N", help="what an outbox holds (1000000)"
    )
    group.add_argument("--health-s", type=positive, default=60.0, metavar="S", help="between health records (60)")
    group.add_argument("--fleet", default="simulated", metavar="NAME", help="name of the fleet (simulated)")
    group.add_argument("--seed", type=whole, default=1, metavar="N", help="of figures and faults (1)")
    group.add_argument("--run-id", metavar="NAME", help="part of every device id (drawn anew for each run)")


def _add_outcome(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--drain-s", type=not_negative, default=120.0, metavar="S", help="wait so long for acknowledgements (120)"
    )
    group.add_argument("--json", action="store_true", help="the devices' own books as JSON on stdout, nothing else")
    group.add_argument("--counters", type=Path, metavar="FILE", help="write the same to a file")
    group.add_argument("--quiet", action="store_true", help="no progress")
    group.add_argument("--check", action="store_true", help="compare with the collector's ledger and its InfluxDB")
    group.add_argument("--config", type=Path, metavar="FILE", help="for --check: the collector's TOML")
    group.add_argument("--state-dir", type=Path, metavar="DIR", help="for --check: the collector's state directory")


def plan_of(arguments: argparse.Namespace) -> "Plan":
    """Return what the words ask for. Raises ConfigurationError."""
    from edgejoule.simulate.plan import Plan

    run_id = arguments.run_id or secrets.token_hex(3)
    for option, name in (("--run-id", run_id), ("--fleet", arguments.fleet)):
        if not _NAME.fullmatch(name):
            raise ConfigurationError(f"{option} {name!r}: use up to 32 letters, digits, _ and -")
    for option, number in (("--devices", arguments.devices), ("--connecting", arguments.connecting)):
        if number < 1:
            raise ConfigurationError(f"{option} {number}: at least 1")
    if not 1 <= arguments.windows_per_message <= 60:
        raise ConfigurationError(f"--windows-per-message {arguments.windows_per_message}: 1 to 60")
    window_s = arguments.window_s or (arguments.speed / arguments.rate if arguments.rate else _DEFAULT_WINDOW_S)
    return Plan(
        run_id=run_id,
        fleet=arguments.fleet,
        devices=arguments.devices,
        rate_hz=arguments.rate or arguments.speed / window_s,
        window_s=window_s,
        windows_per_message=arguments.windows_per_message,
        speed=arguments.speed,
        seconds=arguments.seconds,
        windows=arguments.windows,
        outage_windows=round(arguments.outage_s / window_s),
        outbox_windows=max(1, arguments.outbox_windows),
        health_s=arguments.health_s,
        drain_s=arguments.drain_s,
        connecting=arguments.connecting,
        seed=arguments.seed,
        faults=_faults(arguments),
    )


def _faults(arguments: argparse.Namespace) -> "Faults":
    from edgejoule.simulate.plan import CHAOS, Faults

    given: dict[str, Any] = {one.name: getattr(arguments, one.name) for one in fields(Faults)}
    return (CHAOS if arguments.chaos else Faults()).over(given)
