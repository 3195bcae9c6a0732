"""A pytest plugin: the driver of examples/drivers stands among the others, as if its file lay in drivers/."""

from pathlib import Path

from firmware_bridge import drivers

drivers.__path__.append(str(Path(__file__).parents[2] / "examples" / "drivers"))
