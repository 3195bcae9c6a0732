"""deploy/mosquitto.conf as its own text says to use it, with the paths of a test in place of those of Debian."""

import re
from pathlib import Path
from typing import Final, Literal

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
OPEN_LINES: Final = "listener 1883 127.0.0.1\nallow_anonymous true\n"
Variant = Literal["This machine only", "A network of your own", "A fleet"]


def shipped(variant: Variant) -> str:
    """Return the file with the lines of ``variant`` let in, and the two open lines out unless they are it."""
    text = (DEPLOY / "mosquitto.conf").read_text(encoding="utf-8")
    assert OPEN_LINES in text
    if variant == "This machine only":
        return text
    before, _, after = text.replace(OPEN_LINES, "").partition(f"# {variant}:")
    assert after
    part, blank, rest = after.partition("\n\n")
    lines = [line.removeprefix("# ") if re.match(r"# [a-z_]+ \S+$", line) else line for line in part.splitlines()]
    return f"{before}#" + "\n".join(lines) + blank + rest


def localised(text: str, directory: Path, port: int) -> str:
    """Return the settings with Debian's paths, ports and pace replaced by those of a test."""
    text = re.sub(r"^listener \d+.*$", f"listener {port} 127.0.0.1", text, flags=re.MULTILINE)
    for place in ("/etc/mosquitto/certs/", "/etc/mosquitto/"):
        text = text.replace(place, f"{directory}/")
    debians_own = f"user root\npid_file {directory}/mosquitto.pid\npersistence_location {directory}/\n"
    return debians_own + text.replace("autosave_interval 30", "autosave_interval 1")
