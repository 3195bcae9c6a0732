"""Reading a driver's options: text from a command line and values from a TOML file alike."""

from collections.abc import Mapping

from firmware_bridge.driver import Options
from firmware_bridge.errors import ConfigurationError


class OptionReader:
    """Typed access to one driver's options. Every refusal is one line that says what would be accepted."""

    def __init__(self, driver: str, options: Options, documented: Mapping[str, str]) -> None:
        self._driver = driver
        self._options = options
        unknown = sorted(set(options) - set(documented))
        if unknown:
            accepted = ", ".join(sorted(documented)) or "none"
            raise ConfigurationError(f"meter driver {driver} has no option {unknown[0]!r}; it accepts: {accepted}")

    def number(self, name: str, default: float, *, low: float, high: float) -> float:
        """Return a number within [low, high]."""
        value = self._options.get(name, default)
        refusal = (
            f"option {name!r} of meter driver {self._driver} is {value!r}; give a number from {low:g} to {high:g}"
        )
        if isinstance(value, bool):
            raise ConfigurationError(refusal)
        try:
            number = float(value)
        except (ValueError, OverflowError):
            raise ConfigurationError(refusal) from None
        if not low <= number <= high:
            raise ConfigurationError(refusal)
        return number

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        """Return one of a few words."""
        value = str(self._options.get(name, default)).lower()
        if value not in allowed:
            raise ConfigurationError(
                f"option {name!r} of meter driver {self._driver} is {value!r}; give one of {', '.join(allowed)}",
            )
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a yes or no; ``true``, ``yes``, ``on`` and ``1`` are yes in text."""
        yes, no = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
        return self.choice(name, "true" if default else "false", yes + no) in yes

    def text(self, name: str, default: str = "") -> str:
        """Return free text."""
        return str(self._options.get(name, default))
