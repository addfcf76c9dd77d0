"""Declared: what is known of a customer who did nothing yet: what the shop said of them, and where they came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

#: Fields of a user's document; attributes count, too, where they are texts or switches.
FIELDS = ("region", "gender", "age_band")
SOURCE = "source"
_LONGEST = 40  # bytes of a source that a live profile keeps
_MOST = 24  # words of a customer


def declared_words(document: Mapping[str, Any], source: str | None) -> tuple[str, ...]:
    """A user's document in wire form (attributes as an object), and the source of their first visit, as `name=value`
    words. Of one name there is one: an attribute that is called like a field, or `source`, counts where that is silent.
    """
    told: dict[str, str] = {}
    for name, value in _told(document, source):
        told.setdefault(name, value)
    return tuple(f"{name}={value}" for name, value in told.items())[:_MOST]


def _told(document: Mapping[str, Any], source: str | None) -> Iterator[tuple[str, str]]:
    yield from ((name, str(document[name])) for name in FIELDS if document.get(name))
    if source:
        yield SOURCE, source.encode("utf-8", "surrogatepass")[:_LONGEST].decode("utf-8", "replace")
    for name, value in (document.get("attributes") or {}).items():
        if isinstance(value, bool | str) and value != "":
            yield name, str(value).lower() if isinstance(value, bool) else value
