"""Labels: what people call what they define: an id for programs, and a name in each language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from engine.errors import BadInput

#: The languages that names come in.
LANGUAGES = ("en", "zh")
LONGEST_NAME = 200
ID_PATTERN = "[a-z0-9][a-z0-9_-]{0,63}"
_ID = re.compile(ID_PATTERN)


#: What memberships of classes are called by: no id of a segment holds a colon, so that both never meet.
_CLASS = "class:"
#: The classification whose classes are the shop's tiers, where it has one.
TIERS = "tier"


def class_segment(classification_id: str, class_id: str) -> str:
    """The name of a class as a segment, which rules, campaigns and memberships call it by."""
    return f"{_CLASS}{classification_id}:{class_id}"


def class_of(segment: str) -> tuple[str, str] | None:
    """Classification and class that a segment's name stands for, None for any other segment."""
    classification, colon, name = segment.removeprefix(_CLASS).partition(":")
    return (classification, name) if segment.startswith(_CLASS) and colon else None


def tier_segment(tier: str) -> str:
    """The class that a tier of an offer means: the one that it names in full, or else one of the shop's tiers."""
    return tier if class_of(tier) is not None else class_segment(TIERS, tier)


def definition_of(segment: str) -> tuple[str, ...]:
    """What says who is in a segment: itself, or the classification that a class is of, as one."""
    found = class_of(segment)
    return (segment,) if found is None else ("class", found[0])


def checked_id(given: Any, field: str) -> str:
    """An id that people define: it stands in rules and paths. Raises BadInput."""
    if not isinstance(given, str) or not _ID.fullmatch(given):
        raise BadInput(
            f"{field}: is 1 to 64 of a-z, 0-9, _ and -, and begins with a letter or digit, such as big-spenders",
            field=field,
        )
    return given


def checked_names(given: Any, field: str = "names") -> dict[str, str]:
    """At least one name, by language. Raises BadInput."""
    if type(given) is str:
        given = {"en": given}
    if not isinstance(given, Mapping) or not given:
        raise BadInput(f'{field}: an object with a name by language, such as {{"en": "Big spenders"}}', field=field)
    names: dict[str, str] = {}
    for language, name in given.items():
        if language not in LANGUAGES:
            raise BadInput(f"{field}: {language!a} is not one of {', '.join(LANGUAGES)}", field=field)
        if type(name) is not str or not name.strip() or len(name) > LONGEST_NAME or not _is_plain(name):
            raise BadInput(
                f"{field}.{language}: a name is 1 to {LONGEST_NAME} printable characters", field=f"{field}.{language}"
            )
        names[language] = name.strip()
    return names


def _is_plain(text: str) -> bool:
    # Cc: line breaks and the like; Cs: half of a surrogate pair, which no store holds.
    return all(unicodedata.category(each) not in ("Cc", "Cs") for each in text)


def id_from(names: Mapping[str, str]) -> str | None:
    """An id made of the English name, None where that leaves nothing of it."""
    plain = unicodedata.normalize("NFKD", names.get("en", "")).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:64].strip("-") or None
