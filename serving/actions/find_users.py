"""Find users: those of a list, of a condition on their documents, or of a static segment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from engine.errors import BadInput, NotAllowed
from engine.expression_forms import parse
from engine.expression_row import matches
from engine.settings import Settings
from engine.shop_documents import CONDITION_FIELDS
from engine.storage.home import Home
from engine.storage.known_users import known_users
from engine.storage.ledger import LedgerPool
from engine.storage.segment_members import static_members
from engine.storage.segments import find_segment
from serving.actions.change_documents import live_documents
from serving.doors import Doors

_BATCH = 1_000


class Stores(Protocol):
    """The shop's stores, as this action wants them."""

    @property
    def home(self) -> Home: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def doors(self) -> Doors: ...


@dataclass(frozen=True, slots=True)
class Found:
    """`reason` says how they were found, for the record."""

    user_ids: Sequence[str]
    reason: Mapping[str, Any]


async def named_users(
    shop: Stores, *, user_ids: Sequence[str] | None, condition: Any, segment_id: str | None, skip_unknown: bool
) -> Found:
    """The users that exactly one of the three names. Raises BadInput, UnknownThing, NotAllowed for a rule's segment."""
    if sum(each is not None for each in (user_ids, condition, segment_id)) != 1:
        raise BadInput("name the users once: by user_ids, by filter or by segment_id", field="user_ids")
    if user_ids is not None:
        return await _of_list(shop, user_ids, skip_unknown=skip_unknown)
    if condition is not None:
        return Found(await _of_condition(shop, condition), {"filter": condition})

    def listed(ledger: LedgerPool) -> Found:
        found = find_segment(ledger, segment_id or "")
        if found.kind != "static":
            raise NotAllowed(
                f"{found.id!r} is a rule, and so a class may have it as its own", code="is_rule", field="segment_id"
            )
        return Found(static_members(ledger, found.id), {"segment_id": found.id, "version": found.version})

    return await shop.doors.ledger.ask(listed)


async def _of_list(shop: Stores, user_ids: Sequence[str], *, skip_unknown: bool) -> Found:
    unique = list(dict.fromkeys(user_ids))
    known = await asyncio.to_thread(known_users, shop.home, shop.settings.redis_url, unique)
    if not skip_unknown:
        for place, each in enumerate(user_ids):
            if each not in known:
                raise BadInput(
                    f"user_ids: {each[:100]!a} is nobody's id; nothing was changed. Correct it, or send skip_unknown",
                    code="unknown_user",
                    field="user_ids",
                    position=place,
                )
    found = [each for each in unique if each in known]
    return Found(found, {"user_ids": len(found), "unknown": len(unique) - len(found)})


async def _of_condition(shop: Stores, condition: Any) -> list[str]:
    wanted = parse(condition, CONDITION_FIELDS["users"])
    found: dict[str, None] = {}
    async for documents in live_documents(shop).all("users", _BATCH):
        for each in documents:
            if not each.get("deleted") and matches(wanted, each):
                found[each["user_id"]] = None
    return list(found)
