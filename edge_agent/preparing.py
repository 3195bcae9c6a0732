"""What a configuration names, found and checked before any port is opened."""

from pathlib import Path
from typing import Literal

from edge_agent.alignment.opening import check_line
from edge_agent.assembly import Prepared
from edge_agent.chosen_model import chosen_model
from edge_agent.config import AgentConfig
from edge_agent.inputs.directory import array_files
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import Boundary
from firmware_bridge.driver import MeterDriver
from firmware_bridge.registry import get_driver
from firmware_bridge.stream import is_pseudo_terminal, is_simulated_port


def prepare(config: AgentConfig) -> Prepared:
    """Check all that a start needs, and return it. Raises ConfigurationError (of either package)."""
    if config.remote.operators:
        from edge_agent.remote.operators import load_operators  # noqa: PLC0415  cryptography, where it is used

        _ = load_operators(Path(config.remote.operators))
    return prepare_work(config)


def prepare_work(config: AgentConfig) -> Prepared:
    """Find driver and model and check that they fit. Raises ConfigurationError (of either package)."""
    driver = get_driver(config.meter.driver)
    _ = driver.make_decoder(config.meter.options)
    driver = driver.for_options(config.meter.options)
    if is_simulated_port(config.meter.port) and not is_pseudo_terminal(config.meter.port):
        raise ConfigurationError(
            f"[meter] port = {config.meter.port!r} is a recording, and an agent measures what its model draws now; "
            "name a meter's port, and play recordings with: edgejoule meter replay"
        )
    check_line(config.align, driver)
    if config.input.source == "directory":
        _ = array_files(Path(config.input.path))
    return Prepared(driver, chosen_model(config), _boundary(config.meter.boundary, driver))


def _boundary(asked: Boundary | Literal["site"], driver: MeterDriver) -> Boundary:
    """Return the boundary if the driver's meter measures there. Raises ConfigurationError: one line."""
    offered = [one for one in driver.data_sheet.boundaries if one != "site"]
    if not offered:
        raise ConfigurationError(
            f"[meter] driver = {driver.name!r}: it measures a whole site, not this device; an agent needs a meter "
            "that only this device draws through (edgejoule meter list)"
        )
    if asked == "site":
        raise ConfigurationError(
            "[meter] boundary = 'site': a whole site's energy is not this device's; where only this device draws "
            f"through the {driver.name}, the boundary is {' or '.join(offered)}"
        )
    if asked not in offered:
        raise ConfigurationError(f"[meter] boundary = {asked!r}: a {driver.name} measures {' or '.join(offered)}")
    return asked
