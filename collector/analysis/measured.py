"""What a device measured, out of the fleet report, as the edge side of a comparison."""

from collector.analysis.resolve import MeasuredEdge
from collector.fleet.values import DeviceAccount, FleetReport
from edge_agent.wire.errors import ConfigurationError


def measured_edge(report: FleetReport, device_id: str) -> MeasuredEdge:
    """Return the figures of ``device_id`` (or ``fleet/device_id``; "" when the report has one device only).

    The baseline is the one that the device declared, if it did in all its windows. Raises ConfigurationError when
    the device is not there, or has not measured joules per inference.
    """
    account = _find(report, device_id)
    rate, gross_j, u_j = account.inferences_per_s, account.j_per_inference, account.j_per_inference_u
    if not rate or gross_j is None or u_j is None:
        raise ConfigurationError(
            f"device {account.device_id!r} has no joules per inference yet: no inference, or no covered time; "
            "let it run, or choose another device"
        )
    net_j = account.net_j_per_inference if account.net_windows == account.windows else None
    return MeasuredEdge(
        device_id=account.device_id,
        j_per_inference=gross_j,
        j_per_inference_u=u_j,
        time_per_inference_s=1.0 / rate,
        idle_power_w=None if net_j is None else max(gross_j - net_j, 0.0) * rate,
        simulated=account.simulated,
    )


def _find(report: FleetReport, device_id: str) -> DeviceAccount:
    names = [f"{device.fleet}/{device.device_id}" for device in report.devices]
    found = [
        device for device, name in zip(report.devices, names, strict=True) if device_id in ("", device.device_id, name)
    ]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(names) or "none"
    if not found:
        raise ConfigurationError(f"no measurements of device {device_id!r}; devices that are there: {listed}")
    raise ConfigurationError(f"{len(found)} devices fit; name one with --device FLEET/ID: {listed}")
