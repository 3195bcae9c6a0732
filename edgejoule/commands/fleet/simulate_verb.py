"""``edgejoule fleet simulate``: play a fleet, drain it, and say whether everything arrived."""

import argparse
import asyncio
import resource
from typing import TYPE_CHECKING, Final

from edge_agent.wire.errors import ConfigurationError
from edgejoule.commands.fleet.simulate_arguments import plan_of
from edgejoule.journals import config_of
from edgejoule.output import EXIT_DONE, EXIT_NO, stdout_console, write_json
from edgejoule.signals import STOP_SIGNALS, handled

if TYPE_CHECKING:
    from edgejoule.simulate.check import DeviceVerdict
    from edgejoule.simulate.counters import FleetCounters
    from edgejoule.simulate.member import Login
    from edgejoule.simulate.tally import DelayFigures

_OTHER_FILES: Final = 64
_SHOWN_PROBLEMS: Final = 20


def run(arguments: argparse.Namespace) -> int:
    """Run to the end. The exit code is 1 when no broker was reached, windows stayed pending, or the check says no."""
    import msgspec

    from edgejoule.simulate.progress import RunProgress
    from edgejoule.simulate.run import FleetRun

    config = config_of(arguments) if arguments.check else None
    plan, login = plan_of(arguments), _login(arguments)
    _allow_files(plan.devices)
    asked = [0]

    def ask(*_signal: object) -> None:
        asked[0] += 1

    with handled(STOP_SIGNALS, ask), RunProgress(quiet=arguments.quiet) as progress:
        counters = asyncio.run(FleetRun(plan, login, lambda: asked[0], progress.show).run())
    if arguments.counters is not None:
        try:
            arguments.counters.write_bytes(msgspec.json.format(msgspec.json.encode(counters), indent=2))
        except OSError as error:
            raise ConfigurationError(f"--counters {arguments.counters}: cannot write it: {error.strerror}") from error
    found: list[DeviceVerdict] | None = None
    if config is not None:
        from edgejoule.simulate.stores import compare

        found = compare(counters, config, plan.drain_s)
    if arguments.json:
        write_json(counters if found is None else {"run": counters, "check": found})
    else:
        _print_outcome(counters, found)
    agrees = all(one.agrees for one in found or ())
    return EXIT_DONE if _is_done(counters) and agrees else EXIT_NO


def _is_done(run_: "FleetCounters") -> bool:
    return run_.everything_acknowledged and run_.played["connects"] > 0


def _login(arguments: argparse.Namespace) -> "Login":
    from edge_agent.wire.mqtt import BrokerSettings, check_settings, read_password, tls_context
    from edge_agent.wire.mqtt_packets import Protocol
    from edgejoule.simulate.link import Target
    from edgejoule.simulate.member import Login

    settings = BrokerSettings(
        url=arguments.broker,
        username=arguments.username,
        password_file=arguments.password_file,
        ca_file=arguments.ca_file,
        cert_file=arguments.cert_file,
        key_file=arguments.key_file,
        protocol=arguments.protocol,
    )
    address = check_settings(settings)
    if address.transport != "tcp":
        raise ConfigurationError(f"--broker {arguments.broker}: simulated devices speak no web sockets; use mqtt://")
    return Login(
        Target(address, tls_context(settings) if address.tls else None),
        Protocol.V5 if arguments.protocol == "5" else Protocol.V311,
        settings.keepalive_s,
        arguments.username,
        read_password(settings),
    )


def _allow_files(devices: int) -> None:
    """Let this process hold a connection per device. Raises ConfigurationError when the system does not."""
    needed = devices + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ConfigurationError(
            f"--devices {devices}: this user may open {hard} files, {needed} are needed; raise it: ulimit -Hn {needed}"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _print_outcome(run_: "FleetCounters", found: "list[DeviceVerdict] | None") -> None:
    console = stdout_console()

    def say(line: str) -> None:
        console.print(line, markup=False, soft_wrap=True)

    say(
        f"SIMULATED fleet {run_.fleet}, run {run_.run_id}: {len(run_.devices)} devices, {run_.duration_s:.1f} s, "
        f"{run_.windows_per_s:.0f} windows/s acknowledged"
    )
    say(
        f"sent {run_.sent} = acknowledged {run_.acknowledged} + declared dropped {run_.declared_dropped} "
        f"+ pending {run_.pending}; {run_.energy_j:.3f} J made, {run_.kept_energy_j:.3f} J not given up"
    )
    if run_.backlog_windows:
        gone = "not delivered" if run_.backlog_gone_s is None else f"delivered after {run_.backlog_gone_s:.1f} s"
        say(f"backlog of the outage: {run_.backlog_windows} windows, {gone}")
        say(f"live windows meanwhile, until stored: {_delays(run_.delay_beside_backlog)}")
    say(f"live windows{' after it' if run_.backlog_windows else ''}, until stored: {_delays(run_.delay_alone)}")
    say("played: " + ", ".join(f"{name} {count}" for name, count in run_.played.items() if count))
    if run_.last_error:
        say(f"latest error: {run_.last_error}")
    say(_ending(run_))
    if found is not None:
        bad = [one for one in found if not one.agrees]
        for one in bad[:_SHOWN_PROBLEMS]:
            say(f"{one.device_id}: no: {'; '.join(one.problems[:3])}")
        say(f"check: {len(found) - len(bad)} devices agree with the collector, {len(bad)} do not")


def _ending(run_: "FleetCounters") -> str:
    if not run_.played["connects"]:
        return "NOT one device reached the broker"
    if run_.all_acknowledged_s is None:
        return f"NOT everything is acknowledged: {run_.pending} windows pending; a longer --drain-s waits longer"
    vanished = run_.played["vanished"]
    but = f", but for {vanished} device{'s' if vanished > 1 else ''} that vanished for good" if vanished else ""
    return f"everything acknowledged after {run_.all_acknowledged_s:.1f} s{but}"


def _delays(delays: "DelayFigures") -> str:
    if delays.p50_s is None or delays.p95_s is None or delays.max_s is None:
        return "none"
    return f"p50 {delays.p50_s:.2f} s, p95 {delays.p95_s:.2f} s, max {delays.max_s:.2f} s ({delays.windows} windows)"
