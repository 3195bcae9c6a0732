"""What a user may set at the LPM01A, and the commands that set it. Source: ST UM2269 Rev 6, command set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from firmware_bridge.driver import Options
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocol.lpm01a.stream import FREQUENCIES_HZ
from firmware_bridge.protocol.options import OptionReader

ASCII_LIMIT_HZ: Final = 5000


@dataclass(frozen=True, slots=True)
class Lpm01aSettings:
    """The options, checked. ``given_voltage_v`` is None where the user did not name one."""

    voltage_v: float
    given_voltage_v: float | None
    frequency_hz: int
    format: Literal["bin_hexa", "ascii_dec"]
    mode: Literal["dyn", "stat"]

    def commands(self) -> tuple[str, ...]:
        """Return the commands of the handshake in order, without their line ends and without "start"."""
        hertz = self.frequency_hz
        return (
            "htc",
            "version",
            f"acqmode {self.mode}",
            "funcmode optim",
            "output current",
            f"format {self.format}",
            f"freq {hertz // 1000}k" if hertz >= 1000 else f"freq {hertz}",
            "acqtime inf" if self.mode == "dyn" else "acqtime 1",
            "trigsrc sw",
            "pwrend on",
            f"volt {round(self.voltage_v * 1000)}m",
            "volt get",
        )


def read_settings(options: Options, documented: Mapping[str, str]) -> Lpm01aSettings:
    """Return the options, checked. Raises ConfigurationError."""
    read = OptionReader("lpm01a", options, documented)
    voltage_v = read.number("voltage_v", 3.3, low=1.8, high=3.3)
    frequency_hz = round(read.number("frequency_hz", 100_000, low=1, high=100_000))
    if frequency_hz not in FREQUENCIES_HZ:
        allowed = ", ".join(str(one) for one in FREQUENCIES_HZ)
        raise ConfigurationError(
            f"option 'frequency_hz' of meter driver lpm01a is {frequency_hz}; give one of {allowed}"
        )
    mode: Literal["dyn", "stat"] = "stat" if read.choice("mode", "dyn", ("dyn", "stat")) == "stat" else "dyn"
    asked = read.choice("format", "auto", ("auto", "bin_hexa", "ascii_dec"))
    if asked == "ascii_dec" and mode == "dyn" and frequency_hz > ASCII_LIMIT_HZ:
        raise ConfigurationError(
            f"option 'format' of meter driver lpm01a is 'ascii_dec', which the meter keeps up to {ASCII_LIMIT_HZ} Hz; "
            f"give format=bin_hexa or a frequency_hz up to {ASCII_LIMIT_HZ}"
        )
    if asked == "bin_hexa" and mode == "stat":
        raise ConfigurationError("option 'format' of meter driver lpm01a is 'bin_hexa'; mode=stat wants ascii_dec")
    as_text = asked == "ascii_dec" or mode == "stat" or (asked == "auto" and frequency_hz <= ASCII_LIMIT_HZ)
    return Lpm01aSettings(
        voltage_v=voltage_v,
        given_voltage_v=voltage_v if "voltage_v" in options else None,
        frequency_hz=frequency_hz,
        format="ascii_dec" if as_text else "bin_hexa",
        mode=mode,
    )
