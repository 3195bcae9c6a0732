"""How every device is, by what it last said of itself."""

from typing import Any, Final

from collector.assess import NS_PER_S, Assessor
from collector.carbon.amortisation import LifePlan
from collector.journal import Journal
from collector.liveness import liveness
from collector.sinks.points import DeviceStatePoint
from collector.values import DeviceState
from edge_agent.wire.records import Birth, Health, RuntimeIdentity

_OF_BIRTH: Final = (
    *("window_s", "agent_version", "python_version", "platform", "meter_id", "meter_driver", "boundary"),
    *("model_id", "model_sha256"),
)
_OF_HEALTH: Final = (
    "outbox_windows",
    "outbox_bytes",
    "dropped_windows",
    "meter_reconnects",
    "agent_cpu_ratio",
    "commands_done",
)


def device_states(
    journal: Journal, assessor: Assessor, now_unix_ns: int, collector: str = ""
) -> list[DeviceStatePoint]:
    """Return one point for each device that was ever heard. Raises sqlite3.Error.

    ``collector``: the client id where several share the messages, and each knows only what came to it.
    """
    with journal.snapshot() as db:
        states = journal.devices()
        rows = db.execute("SELECT fleet, device_id, received_unix_ns FROM healths").fetchall()
    health_unix_ns = {(fleet, device_id): received for fleet, device_id, received in rows}
    return [
        DeviceStatePoint(
            fleet=state.fleet,
            device=state.device_id,
            collector=collector,
            last_seen_age_s=_age_s(state.last_seen_unix_ns or None, now_unix_ns),
            online=int(liveness(state, now_unix_ns) == "online"),
            health_age_s=_age_s(health_unix_ns.get((state.fleet, state.device_id)), now_unix_ns),
            **_listed(state, assessor, now_unix_ns),
            **_said_at_birth(state.birth),
            **_said_of_health(state.health),
            **_of_latest(state.birth, state.health),
        )
        for state in states
    ]


def runtime_words(runtime: RuntimeIdentity) -> str:
    """Return what runs the model, such as "litert 2.3.0 cpu, 1 thread"."""
    threads = f"{runtime.threads} thread{'' if runtime.threads == 1 else 's'}"
    return f"{runtime.runtime} {runtime.version} {runtime.delegate}, {threads}"


def _listed(state: DeviceState, assessor: Assessor, now_unix_ns: int) -> dict[str, Any]:
    """Return what the inventory says; the device's own word on its class where that says none."""
    place = assessor.describe(state.device_id)
    plan, hardware_gco2e = assessor.life(state.device_id)
    return {
        "site": place.site,
        "zone": place.zone,
        "device_class": place.device_class or ("" if state.birth is None else state.birth.device_class),
        "hardware": place.hardware,
        "in_service_s": _in_service_s(plan, now_unix_ns),
        "lifetime_s": None if plan is None else plan.extended_lifetime_s or plan.lifetime_s,
        "hardware_gco2e": hardware_gco2e,
        "retired": int(_is_retired(plan, now_unix_ns)),
    }


def _said_at_birth(birth: Birth | None) -> dict[str, Any]:
    if birth is None:
        return {}
    said = {name: getattr(birth, name) for name in _OF_BIRTH}
    return said | {"runtime": runtime_words(birth.runtime), "simulated": int(birth.simulated)}


def _said_of_health(health: Health | None) -> dict[str, Any]:
    if health is None:
        return {}
    said = {name: getattr(health, name) for name in _OF_HEALTH}
    return said | {
        "meter_connected": int(health.meter_connected),
        "meter_frame_errors": sum(health.meter_frame_errors.values()),
        "commands_refused": sum(health.commands_refused.values()),
    }


def _of_latest(birth: Birth | None, health: Health | None) -> dict[str, Any]:
    """Return what both say: the health is the newer one, unless the device has begun again and sent none since."""
    began_again = health is None or (birth is not None and birth.boot_id != health.boot_id)
    latest = birth if began_again else health
    if latest is None:
        return {}
    clock_state = latest.clock_state
    synchronised = None if clock_state is None else int(clock_state == "synchronised")
    return {"boot_id": latest.boot_id, "clock_state": clock_state, "clock_synchronised": synchronised}


def _is_retired(plan: LifePlan | None, now_unix_ns: int) -> bool:
    return plan is not None and plan.retired_unix_s is not None and now_unix_ns / NS_PER_S >= plan.retired_unix_s


def _in_service_s(plan: LifePlan | None, now_unix_ns: int) -> float | None:
    """Return for how long a device serves, None before its first day and where that is unknown."""
    if plan is None or plan.in_service_since_unix_s is None:
        return None
    now_s = now_unix_ns / NS_PER_S
    end_s = now_s if plan.retired_unix_s is None else min(now_s, plan.retired_unix_s)
    return end_s - plan.in_service_since_unix_s if end_s >= plan.in_service_since_unix_s else None


def _age_s(then_unix_ns: int | None, now_unix_ns: int) -> float | None:
    """Return how long ago that was; 0 for what a clock that was put back makes later than now."""
    return None if then_unix_ns is None else max(0.0, (now_unix_ns - then_unix_ns) / NS_PER_S)
