"""Which meters there are: every public module in ``drivers/`` is one, found by scanning the package.

One more meter is one more file whose last statement is ``DRIVER = MeterDriver(...)``. A module's name is its
driver's name, so asking for one driver imports that file only.
"""

import difflib
import importlib
import pkgutil

from firmware_bridge import drivers
from firmware_bridge.driver import MeterDriver
from firmware_bridge.errors import ConfigurationError


def driver_names() -> tuple[str, ...]:
    """Return the names of all drivers, sorted. Imports none of them."""
    found = (module.name for module in pkgutil.iter_modules(drivers.__path__))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def get_driver(name: str) -> MeterDriver:
    """Return one driver; raise ConfigurationError with the nearest names where there is none of that name."""
    known = driver_names()
    if name not in known:
        near = difflib.get_close_matches(name.lower().replace("-", ""), known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known drivers: {', '.join(known)}"
        raise ConfigurationError(f"there is no meter driver {name!r}; {hint}")
    driver: MeterDriver = importlib.import_module(f"{drivers.__name__}.{name}").DRIVER
    return driver


def driver_page(name: str) -> str:
    """Return one driver's page: its module's docstring, drawings and all."""
    get_driver(name)
    return importlib.import_module(f"{drivers.__name__}.{name}").__doc__ or ""


def all_drivers() -> tuple[MeterDriver, ...]:
    """Return every driver, in the order of their names."""
    return tuple(get_driver(name) for name in driver_names())
