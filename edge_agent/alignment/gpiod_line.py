"""A pin of the board as marker line, through the kernel's GPIO character device and libgpiod 2 (package gpiod).

On a Raspberry Pi the header's pins are lines of /dev/gpiochip0 by their BCM numbers or names (GPIO17), on a Jetson by
names such as PH.00 (``gpioinfo`` lists them). 3.3 V pins may drive inputs of 1.65 to 5.5 V only.
"""

import errno
from typing import Any, Final

from edge_agent.alignment.lines import MarkerLineError
from edge_agent.wire.errors import ConfigurationError

CONSUMER: Final = "edgejoule marker"
_PERMISSION: Final = (
    "permission denied; add the user to the group that owns it (ls -l {chip}; on Raspberry Pi OS and Jetson: sudo "
    "usermod -aG gpio $USER) and log in again, or write a udev rule: SUBSYSTEM=="
    '"gpio", KERNEL=="gpiochip*", GROUP="gpio", MODE="0660"'
)


class GpiodLine:
    """One output line, low at first. ``line``: its offset, or its name. Raises ConfigurationError: one line.

    ``module``: the package gpiod, imported where None is given.
    """

    is_simulated = False
    settle_s = 0.0

    def __init__(self, chip: str, line: str, *, module: Any = None) -> None:
        self._gpiod = module or _package()
        self.name = f"{chip} line {line}"
        self._line: int | str = int(line) if line.isdecimal() else line
        settings = self._gpiod.LineSettings(
            direction=self._gpiod.line.Direction.OUTPUT, output_value=self._gpiod.line.Value.INACTIVE
        )
        try:
            self._request = self._gpiod.request_lines(chip, consumer=CONSUMER, config={self._line: settings})
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"[align] {_explained(chip, line, error)}") from error

    def set(self, level: bool) -> None:  # noqa: FBT001 a level
        """See MarkerLine.set."""
        value = self._gpiod.line.Value
        try:
            self._request.set_value(self._line, value.ACTIVE if level else value.INACTIVE)
        except (OSError, self._gpiod.RequestReleasedError) as error:
            raise MarkerLineError(f"{self.name}: cannot drive it: {error}") from error

    def close(self) -> None:
        """See MarkerLine.close."""
        self._request.release()


def _package() -> Any:
    try:
        import gpiod  # noqa: PLC0415  an optional dependency
    except ModuleNotFoundError as error:
        raise ConfigurationError("[align] gpio_chip: gpiod is not installed; pip install 'edgejoule[gpio]'") from error
    return gpiod


def _explained(chip: str, line: str, error: OSError | ValueError) -> str:
    """Return one line that names the thing and the remedy."""
    code = error.errno if isinstance(error, OSError) else None
    if code in {errno.ENOENT, errno.ENXIO} and str(line) in str(error):
        return f"gpio_line = {line!r}: {chip} has no such line; 'gpioinfo' lists them"
    if code == errno.ENOENT:
        return f"gpio_chip = {chip!r}: there is no such chip or line {line}; 'gpiodetect' and 'gpioinfo' list them"
    if code in {errno.EACCES, errno.EPERM}:
        return f"gpio_chip = {chip!r}: {_PERMISSION.format(chip=chip)}"
    if code == errno.EBUSY:
        return f"gpio_line = {line!r}: {chip} has it in use by another program or driver; 'gpioinfo' names which"
    if code in {errno.ENODEV, errno.ENOTTY, errno.EINVAL}:
        return f"gpio_chip = {chip!r}: not a GPIO chip ({error}); name one such as /dev/gpiochip0"
    return f"gpio_line = {line!r}: {chip} does not give it ({error}); 'gpioinfo {chip}' lists its lines"
