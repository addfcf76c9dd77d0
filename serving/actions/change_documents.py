"""Change documents: items and users, one change after another, into the stream and then the live store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

import orjson

from engine.errors import BadInput, StoreUnavailable, UnknownThing
from engine.event_check import Refusal
from engine.settings import Settings
from engine.shop_documents import ID_FIELD, Kind, check_document, check_id, merged
from engine.storage.live_documents import LiveDocuments
from serving.doors import Doors

Mode = Literal["replace", "merge", "patch", "delete"]
Document = dict[str, Any]
_SORTED = orjson.OPT_SORT_KEYS


class Shop(Protocol):
    """Whoever has a shop's stores: a storefront, or the runner of its jobs."""

    @property
    def settings(self) -> Settings: ...

    @property
    def doors(self) -> Doors: ...


@dataclass(frozen=True, slots=True)
class Change:
    """What is wanted of one thing. `merge` creates what is missing, `patch` refuses it."""

    id: Any
    mode: Mode
    given: Any = None


#: Whether to carry a change out, from the document as it stands; None for a missing one.
OnlyIf = Callable[[Change, Document | None], bool]


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of the changes: the new documents, the ids that were new, and what was refused by its place."""

    documents: dict[str, Document]
    created: frozenset[str]
    rejected: Sequence[tuple[int, BadInput | UnknownThing]]


async def change_documents(
    shop: Shop,
    kind: Kind,
    changes: Sequence[Change],
    *,
    now: float,
    actor: str | None = None,
    only_if: OnlyIf | None = None,
) -> Changed:
    """Carry out each sound change; it is on the disk of the stream and the next read obeys.

    The lake keeps the `actor` of the last change. Raises StoreUnavailable; a repeated change heals what ended half way.
    `only_if` is asked while nobody else can change the document; where it says no, nothing is done and nothing told.
    """
    stream, pressure, documents = shop.doors.stream, shop.doors.pressure, live_documents(shop)
    if stream is None or pressure is None:
        raise StoreUnavailable("this storefront runs without an event stream; start it with `hawker serve`")
    pressure.check()
    async with documents.writing() as token:
        changed, before = await _decide(documents, kind, changes, only_if)
        # What the live store says already went through the stream before.
        news = {name: each for name, each in changed.documents.items() if not _is_same(before[name], each)}
        if news:
            await documents.hold(token)  # deciding about many may have taken longer than the lock lasts
            await stream.append(kind, [_row(each, now, actor) for each in news.values()])
            await documents.put(kind, news, token=token)
    return changed


async def read_items(shop: Shop, ids: Sequence[str]) -> list[Document | None]:
    """The items as the shop last said, in the order of the ids; None for unknown and deleted ones."""
    return await read_documents(shop, "items", ids)


async def read_documents(shop: Shop, kind: Kind, ids: Sequence[str]) -> list[Document | None]:
    found = await live_documents(shop).get(kind, ids)
    return [None if each is None or each.get("deleted") else each for each in found]


def live_documents(shop: Shop) -> LiveDocuments:
    if shop.doors.live is None:
        raise StoreUnavailable("this storefront runs without a live store; start it with `hawker serve`")
    return LiveDocuments(shop.doors.live, shop.settings.shop)


def is_news(kind: Kind, change: Change, current: Document) -> bool:
    """Whether the change would not leave the document as it stands, be it that it is refused."""
    try:
        return not _is_same(_applied(kind, change, current), current)
    except BadInput:
        return True


def _is_same(one: Document | None, other: Document | None) -> bool:
    """Python holds that 1 is true; a shop does not."""
    return one == other and orjson.dumps(one, option=_SORTED) == orjson.dumps(other, option=_SORTED)


async def _decide(
    documents: LiveDocuments, kind: Kind, changes: Sequence[Change], only_if: OnlyIf | None
) -> tuple[Changed, dict[str, Document | None]]:
    rejected: list[tuple[int, BadInput | UnknownThing]] = []
    sound: list[tuple[int, Change]] = []
    for place, change in enumerate(changes):
        try:
            check_id(kind, change.id)
            sound.append((place, change))
        except BadInput as error:
            rejected.append((place, error))
    ids = list(dict.fromkeys(change.id for _, change in sound))
    before = dict(zip(ids, await documents.get(kind, ids), strict=True))
    current = {each: None if found and found.get("deleted") else found for each, found in before.items()}
    known = frozenset(each for each, found in current.items() if found is not None)
    after: dict[str, Document] = {}
    for place, change in sound:
        if only_if is not None and not only_if(change, current[change.id]):
            continue
        try:
            document = _applied(kind, change, current[change.id])
        except (BadInput, UnknownThing) as error:
            rejected.append((place, error))
            continue
        after[change.id] = document
        current[change.id] = None if document.get("deleted") else document
    return Changed(after, frozenset(after) - known, sorted(rejected, key=lambda each: each[0])), before


def _applied(kind: Kind, change: Change, current: Document | None) -> Document:
    if change.mode == "delete":
        return {ID_FIELD[kind]: change.id, "deleted": True}
    if change.mode == "replace":
        return check_document(kind, change.given, change.id)
    if type(change.given) is not dict:
        raise BadInput("a change is a JSON object")
    if change.given.get(ID_FIELD[kind], change.id) != change.id:
        raise BadInput(f"{ID_FIELD[kind]}: cannot be changed", field=ID_FIELD[kind])
    check_document(kind, change.given, change.id)  # also bounds the depth before it is walked
    if current is None and change.mode == "patch":
        raise UnknownThing(f"there is no such {kind[:-1]}; PUT it first", code=f"unknown_{kind[:-1]}")
    return check_document(kind, merged(current or {}, change.given), change.id)


def _row(document: Document, now: float, actor: str | None) -> bytes:
    """The document as the lake's JSON line, in which `attributes` is a text."""
    row = {**document, "updated_at": round(now * 1e6), "deleted": bool(document.get("deleted"))}
    row["updated_by"] = actor
    for name in ("available_from", "available_until"):
        if name in row:
            row[name] = round(datetime.fromisoformat(row[name]).timestamp() * 1e6)
    if "attributes" in row:
        row["attributes"] = orjson.dumps(row["attributes"]).decode()
    return orjson.dumps(row)


def as_refusal(error: BadInput | UnknownThing) -> Refusal:
    return Refusal(error.code, error.field, error.message)
