"""How the self-contained pages are made: their templates, and what these can say of numbers and times."""

import datetime as dt
from collections.abc import Iterable
from typing import Final

import jinja2

from collector import numbers
from collector.carbon.factors import Factor


def page_template(name: str) -> jinja2.Template:
    """Return a template of this folder; what it does not know is an error, not an empty place."""
    return _environment().get_template(name)


def ordered(factors: Iterable[Factor]) -> list[Factor]:
    """Return factors as a page lists them: by unit, then by id."""
    return sorted(factors, key=lambda factor: (factor.estimate.unit, factor.id))


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("collector.web", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= _FILTERS
    environment.globals |= {"si_u": numbers.si_u}
    return environment


def _minute(t_unix_ns: int) -> str:
    return dt.datetime.fromtimestamp(t_unix_ns / 1e9, tz=dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


_FILTERS: Final = {
    "si": numbers.si,
    "percent": numbers.percent,
    "count": numbers.count,
    "span": numbers.span,
    "joules_range": numbers.joules_range,
    "grams": numbers.grams,
    "grams_range": numbers.grams_range,
    "plain": numbers.plain,
    "significant": numbers.significant,
    "some": numbers.some_of,
    "minute": _minute,
}
