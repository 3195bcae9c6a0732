"""From the configuration to the marker line that it names, and whether this meter has an input for it."""

from edge_agent.alignment.gpiod_line import GpiodLine
from edge_agent.alignment.lines import MarkerLine
from edge_agent.alignment.modem_line import ModemLine
from edge_agent.alignment.simulated_line import SimulatedLine
from edge_agent.config import AlignSection
from edge_agent.wire.errors import ConfigurationError
from firmware_bridge.driver import MeterDriver


def names_line(config: AlignSection) -> bool:
    """Tell whether the configuration names a marker line."""
    return bool(config.gpio_chip or config.modem_port or config.marker_socket)


def check_line(config: AlignSection, driver: MeterDriver) -> None:
    """Raise ConfigurationError where a line is named that this meter has no input for."""
    inputs = driver.data_sheet.marker_inputs
    if not names_line(config) or config.method not in {"auto", "gpio_marker"}:
        return
    if not inputs:
        raise ConfigurationError(
            f"[align] names a marker line, but a {driver.name} has no marker input; remove gpio_chip, modem_port or "
            "marker_socket, or take a meter that has one (edgejoule meter list)"
        )
    if config.marker_input >= inputs:
        raise ConfigurationError(
            f"[align] marker_input = {config.marker_input}: a {driver.name} has "
            f"{'input 0 only' if inputs == 1 else f'inputs 0 to {inputs - 1}'}"
        )


def open_line(config: AlignSection) -> MarkerLine | None:
    """Open the line that the configuration names, None where it names none. Raises ConfigurationError: one line."""
    if config.method not in {"auto", "gpio_marker"}:
        return None
    if config.gpio_chip:
        return GpiodLine(config.gpio_chip, config.gpio_line)
    if config.modem_port:
        return ModemLine(config.modem_port, config.modem_signal)
    if config.marker_socket:
        return SimulatedLine(config.marker_socket, config.marker_input)
    return None
