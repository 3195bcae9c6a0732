"""What every source over HTTP does alike: it builds its client from the options, and refuses zones it cannot know."""

import difflib
from collections.abc import Iterable, Mapping

from collector.intensity.errors import SourceError
from collector.intensity.http import JsonClient, Waits
from collector.intensity.source import SourceKind, SourceOptions
from edge_agent.wire.errors import ConfigurationError


def client_of(
    options: SourceOptions,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    secret_params: Mapping[str, str] | None = None,
    waits: Waits | None = None,
) -> JsonClient:
    """Return a client for the server at ``options.url``, else at ``url``. Raises ConfigurationError."""
    return JsonClient(
        options.url or url,
        timeout_s=options.timeout_s,
        retries=options.retries,
        headers=headers,
        secret_params=secret_params,
        cache_dir=options.cache_dir,
        waits=waits,
    )


def refused_zone(kind: SourceKind, zone: str) -> SourceError:
    """Return the error of asking ``kind`` for a zone that it never has."""
    return SourceError(f"{kind.name}: has no zone {zone!r}; it knows {kind.zones_help}", retry=False)


def unknown_zone(kind: SourceKind, zone: str, where: str, wanted: str, names: Iterable[str]) -> ConfigurationError:
    """Return the error of naming such a zone ``where``, with those of ``names`` that are near ``wanted``."""
    near = difflib.get_close_matches(wanted, list(names), n=3, cutoff=0.5)
    hint = f"near names: {', '.join(near)}" if near else f"it knows {kind.zones_help}"
    return ConfigurationError(f"{where}: {kind.name} has no zone {zone!r}; {hint}")
