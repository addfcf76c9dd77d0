"""States of a campaign: which move leads from where to where, who may approve, and what a running one may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from engine.errors import BadInput, NotAllowed
from engine.targeting.campaign import SAFE_EDITS, Campaign

STATES = ("draft", "approved", "scheduled", "running", "paused", "completed")
#: From which states a move is made, and to which it leads. A launch may lead to `scheduled` instead.
MOVES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "approve": (("draft", "paused"), "approved"),  # paused: its budget was raised
    "launch": (("draft", "approved"), "running"),
    "start": (("scheduled",), "running"),
    "unschedule": (("scheduled",), "approved"),
    "pause": (("running",), "paused"),
    "resume": (("paused",), "running"),
    "complete": (("running", "paused"), "completed"),
    "delete": (("draft", "approved", "scheduled"), "deleted"),
}


def moved(state: str, move: str) -> str:
    """The state that the move leads to. NotAllowed names the states that it is made from."""
    sources, target = MOVES[move]
    if state not in sources:
        raise NotAllowed(
            f"a campaign that is {state} cannot {move}; it can when it is {' or '.join(sources)}",
            code="wrong_state", field="state",
        )  # fmt: skip
    return target


def needs_approval(campaign: Campaign, most: int) -> bool:
    """Whether somebody else must approve it: its budget is above `most` (minor units), or has no limit at all.

    A campaign without offers spends nothing.
    """
    return bool(campaign.offers) and (campaign.budget is None or campaign.budget > most)


def check_approver(actor: str | None, author: str | None, editor: str | None) -> str:
    """Who approves, by name. NotAllowed for who wrote it or changed it last, and for nobody."""
    if actor is None:
        raise NotAllowed(
            "an approval needs a name: a key of your own, or --actor", code="actor_missing", field="actor"
        )  # fmt: skip
    if actor in (author, editor):
        what = "wrote" if actor == author else "changed"
        raise NotAllowed(
            f"{actor} {what} this campaign; somebody else must approve it", code="own_approval", field="actor"
        )
    return actor


def changed_fields(before: Campaign, after: Campaign) -> list[str]:
    return [each.name for each in fields(Campaign) if getattr(before, each.name) != getattr(after, each.name)]


def check_safe_edit(before: Campaign, after: Campaign) -> list[str]:
    """The changed fields of a campaign that runs. NotAllowed names the first that may not change any more."""
    changed = changed_fields(before, after)
    for name in changed:
        if name not in SAFE_EDITS:
            raise NotAllowed(
                f"{name}: may not change while the campaign runs; only {', '.join(SAFE_EDITS)} may",
                code="campaign_running", field=name,
            )  # fmt: skip
    if "budget" in changed and (before.budget is None or (after.budget is not None and after.budget < before.budget)):
        raise NotAllowed(
            "budget: may only grow while the campaign runs; pause or complete it to spend less",
            code="campaign_running", field="budget",
        )  # fmt: skip
    return changed


def check_new_end(campaign: Campaign, now: float) -> None:
    """BadInput for an end that lies in the past."""
    if campaign.ends_at is not None and campaign.ends_at.timestamp() <= now:
        raise BadInput("ends_at: lies in the past; say a later time, or complete the campaign", field="ends_at")
