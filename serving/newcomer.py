"""Newcomer: a visitor who did nothing yet, known by what the shop said of them and where they came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import orjson

from engine.declared import declared_words
from serving.live_profile import Known


def introduced(known: Known, keys: Sequence[str], document: str | None) -> Known:
    """The same where anything is known of what they did. `keys` name what stands in `known.also`; under `document`
    there is what the shop said of them."""
    if len(known.profile):
        return known
    told = dict(zip(keys, known.also, strict=False)).get(document or "")
    value = orjson.loads(told) if told else None
    says = value if isinstance(value, dict) and not value.get("deleted") else {}
    words = declared_words(says, known.source)
    return known._replace(profile=replace(known.profile, declared=words)) if words else known
