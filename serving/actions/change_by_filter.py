"""Change by filter: every item or user that fulfils a condition is patched or deleted, in batches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from engine.errors import BadInput
from engine.expression import Expression, Fields, matches
from engine.expression_text import parse
from engine.shop_documents import ID_FIELD, Kind, check_document
from serving.actions.change_documents import Change, Mode, Shop, change_documents, live_documents

_BATCH = 500
_MOST_REASONS = 10
#: What conditions on documents may name.
FIELDS: Mapping[Kind, Fields] = {
    "items": {
        **dict.fromkeys(
            ("item_id", "parent_id", "name", "description", "brand", "currency", "url", "image_url"), "text"
        ),
        **dict.fromkeys(("categories", "tags"), "texts"),
        **dict.fromkeys(("price", "list_price", "cost", "stock"), "number"),
        **dict.fromkeys(("available_from", "available_until"), "time"),
        "available": "flag",
        "attributes.*": "any",
    },
    "users": {
        **dict.fromkeys(("user_id", "region", "zone", "gender", "age_band", "birthday"), "text"),
        "attributes.*": "any",
    },
}

#: Told how many were looked at; False ends the work.
Tell = Callable[[int], Awaitable[bool]]


@dataclass(slots=True)
class Outcome:
    """What became of it so far; `failed` documents would not be sound after the patch."""

    matched: int = 0
    changed: int = 0
    failed: int = 0
    reasons: list[str] = field(default_factory=list)
    cancelled: bool = False

    def as_json(self) -> dict[str, Any]:
        counts = {name: getattr(self, name) for name in ("matched", "changed", "failed")}
        return {**counts, "reasons": self.reasons}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A checked wish: `patch` None deletes, `dry_run` only counts."""

    kind: Kind
    condition: Expression
    patch: Mapping[str, Any] | None
    dry_run: bool = False


def checked_wish(arguments: Mapping[str, Any]) -> Wanted:
    """The wish in the arguments of a job: kind, filter, patch (null deletes), dry_run. Raises BadInput."""
    kind, patch = arguments["kind"], arguments.get("patch")
    if kind not in get_args(Kind):
        raise BadInput("kind: must be items or users", field="kind")
    if patch is not None:
        if type(patch) is not dict or not patch:
            raise BadInput("patch: must be an object that changes something", field="patch")
        if ID_FIELD[kind] in patch:
            raise BadInput(f"patch: {ID_FIELD[kind]} cannot be changed", field="patch")
        try:
            check_document(kind, patch, "any")
        except BadInput as error:
            raise BadInput(f"patch.{error.message}", code=error.code, field=f"patch.{error.field}") from error
    return Wanted(kind, parse(arguments["filter"], FIELDS[kind]), patch, bool(arguments.get("dry_run")))


async def change_by_filter(shop: Shop, wanted: Wanted, *, now: float, actor: str | None, tell: Tell) -> Outcome:
    """Carry the wish out. Begun again after a crash it changes only what is left. Raises StoreUnavailable."""
    outcome, seen = Outcome(), 0
    mode: Mode = "delete" if wanted.patch is None else "patch"
    async for documents in live_documents(shop).all(wanted.kind, _BATCH):
        found = [each for each in documents if not each.get("deleted") and matches(wanted.condition, each)]
        outcome.matched += len(found)
        if found and not wanted.dry_run:
            changes = [Change(each[ID_FIELD[wanted.kind]], mode, wanted.patch) for each in found]
            changed = await change_documents(shop, wanted.kind, changes, now=now, actor=actor)
            outcome.changed += len(changed.documents)
            outcome.failed += len(changed.rejected)
            room = _MOST_REASONS - len(outcome.reasons)
            outcome.reasons += [f"{changes[place].id}: {why.message}" for place, why in changed.rejected[:room]]
        seen += len(documents)
        if not await tell(seen):
            outcome.cancelled = True
            break
    return outcome
