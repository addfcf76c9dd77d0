"""Change by filter: every item or user that fulfils a condition is patched or deleted, in batches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, get_args

from engine.errors import BadInput
from engine.expression import Expression
from engine.expression_forms import parse
from engine.expression_row import matches
from engine.shop_documents import CONDITION_FIELDS, ID_FIELD, Kind, check_document
from serving.actions.change_documents import (
    Change,
    Changed,
    Document,
    OnlyIf,
    Shop,
    change_documents,
    is_news,
    live_documents,
)

_BATCH = 500
_MOST_REASONS = 10


@dataclass(frozen=True, slots=True)
class Progress:
    """What the next runner must know: how many were changed, and the ids whose change may be half way."""

    changed: int = 0
    pending: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {"changed": self.changed, "pending": list(self.pending)}


def progress_of(checkpoint: Mapping[str, Any] | None) -> Progress:
    """The progress in the checkpoint of a job."""
    return Progress(checkpoint["changed"], tuple(checkpoint["pending"])) if checkpoint else Progress()


#: Told how many were looked at and the progress, before anything of what is pending is done. False ends the work.
Tell = Callable[[int, Progress], Awaitable[bool]]


@dataclass(slots=True)
class Outcome:
    """What became of it so far; `failed` documents would not be sound after the patch."""

    changed: int = 0
    counted: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    cancelled: bool = False

    def as_json(self) -> dict[str, Any]:
        reasons = [f"{name}: {why}" for name, why in islice(self.failed.items(), _MOST_REASONS)]
        matched = self.counted + self.changed + len(self.failed)
        return {"matched": matched, "changed": self.changed, "failed": len(self.failed), "reasons": reasons}


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
    return Wanted(kind, parse(arguments["filter"], CONDITION_FIELDS[kind]), patch, bool(arguments.get("dry_run")))


async def change_by_filter(
    shop: Shop, wanted: Wanted, begun: Progress, *, clock: Callable[[], float], actor: str | None, tell: Tell
) -> Outcome:
    """Carry the wish out on every document that fulfils the condition and is not as wished already.

    The condition is asked again at the moment of the change. Begun again with the progress that was told last, be it
    after a kill -9, it counts no change twice and none too few. Raises StoreUnavailable.
    """
    work = _Work(shop, wanted, clock, actor)
    outcome, seen = Outcome(begun.changed), 0
    if begun.pending:
        if not await tell(0, begun):
            outcome.cancelled = True
            return outcome
        await work.finish(begun.pending, outcome)
    async for documents in live_documents(shop).all(wanted.kind, _BATCH):
        found = [work.change(each[ID_FIELD[wanted.kind]]) for each in documents if work.is_due(each)]
        found = [each for each in found if each.id not in outcome.failed]  # a walk may come by twice
        seen += len(documents)
        pending = () if wanted.dry_run else tuple(each.id for each in found)
        if not await tell(seen, Progress(outcome.changed, pending)):
            outcome.cancelled = True
            break
        if wanted.dry_run:
            outcome.counted += len(found)
        elif found:
            await work.carry_out(found, outcome)
    return outcome


@dataclass(frozen=True, slots=True)
class _Work:
    """One wish on one shop."""

    shop: Shop
    wanted: Wanted
    clock: Callable[[], float]
    actor: str | None

    def change(self, thing_id: str) -> Change:
        return Change(thing_id, "delete" if self.wanted.patch is None else "patch", self.wanted.patch)

    def is_due(self, document: Document | None) -> bool:
        if document is None or document.get("deleted") or not matches(self.wanted.condition, document):
            return False
        return is_news(self.wanted.kind, self.change(document[ID_FIELD[self.wanted.kind]]), document)

    async def carry_out(self, changes: Sequence[Change], outcome: Outcome) -> None:
        # Somebody may have changed them since they were read: what is not due any more is left alone.
        changed = await self._change(changes, lambda _, document: self.is_due(document))
        outcome.changed += len(changed.documents)
        outcome.failed |= {changes[place].id: why.message for place, why in changed.rejected}

    async def finish(self, pending: Sequence[str], outcome: Outcome) -> None:
        """Do what may be half done. They were due: each that stands as wished by now was changed by this job."""

        def is_ours(change: Change, document: Document | None) -> bool:
            if document is None:
                return self.wanted.patch is None
            return self.is_due(document) or not is_news(self.wanted.kind, change, document)

        changed = await self._change([self.change(each) for each in pending], is_ours)
        outcome.changed += len(changed.documents)  # the walk meets those that fail once more

    async def _change(self, changes: Sequence[Change], only_if: OnlyIf) -> Changed:
        now = self.clock()
        return await change_documents(self.shop, self.wanted.kind, changes, now=now, actor=self.actor, only_if=only_if)
