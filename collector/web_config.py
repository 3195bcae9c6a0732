"""The configuration of the live page: ``[web]``, and addresses to listen at."""

import ipaddress
from pathlib import Path
from typing import Final, NamedTuple

from collector.store_config import Table
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.text_file import read_text

DEFAULT_LISTEN: Final = "127.0.0.1:8787"


class Address(NamedTuple):
    """Where to listen; port 0 takes a free one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Return whether nobody but this machine can reach it."""
        if self.host.casefold() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


class WebConfig(Table, frozen=True, kw_only=True):
    """``[web]``: the live page at ``listen``, "host:port"; empty: none.

    ``token_file``: holds the token that a reader has to show; needed where others than this machine can ask.
    ``hosts``: names under which the page is reached, behind a proxy for example, beside addresses and this machine's
    own name. ``title``: what stands over the page.
    """

    listen: str = ""
    token_file: str = ""
    hosts: tuple[str, ...] = ()
    title: str = ""

    @property
    def address(self) -> Address | None:
        """Return host and port, None when there is to be no page. Raises ConfigurationError."""
        if not self.listen:
            return None
        address = parse_address(self.listen, "web.listen", DEFAULT_LISTEN)
        if not address.is_loopback and not self.token_file:
            raise ConfigurationError(
                f"web.listen {self.listen!r}: others than this machine can reach it; name a token_file, "
                f"or listen at {DEFAULT_LISTEN}"
            )
        return address

    def token(self) -> str:
        """Return the token that a reader has to show, "" for none. Raises ConfigurationError."""
        if not self.token_file:
            return ""
        token = read_text(Path(self.token_file), f"web.token_file {self.token_file}").strip()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise ConfigurationError(
                f"web.token_file {self.token_file}: holds no token; write one line of letters and digits, such as "
                "what openssl rand -hex 24 prints"
            )
        return token


def parse_address(text: str, what: str, example: str) -> Address:
    """Return host and port of "host:port" or "[address]:port". Raises ConfigurationError; ``what``: whose it is."""
    host, _, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    bracketed = host.startswith("[") and host.endswith("]")
    if not bare or (":" in bare) is not bracketed or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise ConfigurationError(f"{what} {text!r}: write host:port, such as {example}")
    return Address(bare, int(port))
