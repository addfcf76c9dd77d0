"""`hawker campaign suggest`: which campaigns would be worth it, and a draft of one of them."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import BadInput
from terminal import AsJson, answer, here

if TYPE_CHECKING:
    from engine.settings import Settings
    from engine.storage.campaigns import StoredCampaign
    from engine.storage.ledger import LedgerPool
    from engine.targeting.suggestions import Proposal


def suggest(
    goal: Annotated[str, typer.Option(help="win-back, second-order, clear-stock, launch-item or grow-category.")],
    budget: Annotated[int, typer.Option(help="What discounts may cost, minor units.")],
    channel: Annotated[str, typer.Option(help="storefront, email, webhook or file.")] = "email",
    item: Annotated[str | None, typer.Option(help="The item that it is about.")] = None,
    category: Annotated[str | None, typer.Option(help="The category that it is about.")] = None,
    margin: Annotated[float | None, typer.Option(help="The part of a price left after costs, if known.")] = None,
    limit: Annotated[int, typer.Option(help="How many proposals at most.")] = 10,
    draft: Annotated[int | None, typer.Option(help="Make a draft of the proposal at this place, from 1.")] = None,
    actor: Annotated[str | None, typer.Option(help="The draft's author; default: the user of this machine.")] = None,
    as_json: AsJson = False,
) -> None:
    """Suggest campaigns for a goal and a budget: whom, which offer, cost, expected profit, what is not known."""
    from engine.storage import clock
    from engine.storage.embedded import open_stores
    from engine.storage.ledger import opened_ledger
    from engine.storage.migrate import migrate
    from engine.storage.suggestion_facts import suggest_campaigns
    from engine.targeting.suggestions import Wish

    wish = Wish(goal, budget, channel, item, category, margin, limit)
    settings, home = here()
    with open_stores(settings, {"ledger"}) as stores:
        migrate(stores.ledger_url, settings.shop)
        with opened_ledger(stores.ledger_url, settings.shop) as ledger:
            now = clock.now(home)
            found = suggest_campaigns(home, ledger, wish, now=now, thresholds=settings.groups)
            made = None
            if draft is not None:
                made = draft_of(ledger, found, draft, settings, actor=actor or getpass.getuser(), now=now)
    lines = []
    for each in found:
        lines.append(
            f"{each.name}  {each.contacted:,} of {each.size:,}  cost {each.cost:,}  earns {each.profit:,}"
            f" ({each.low:,} to {each.high:,})\n  {each.reason}"
        )
        lines += [f"  missing: {said}" for said in each.missing]
    text = "\n".join(lines) or "nothing is expected to earn more than it costs"
    told: dict[str, Any] = {"proposals": [each.as_json() for each in found]}
    if made is not None:
        told["draft"] = made.as_json()
        text = f"{text}\ndraft {made.id} is made of proposal {draft}"
    answer(told, as_json, text)


def draft_of(
    ledger: LedgerPool, found: Sequence[Proposal], place: int, settings: Settings, *, actor: str, now: float
) -> StoredCampaign:
    """A draft of the proposal at this place, from 1. BadInput for a place where there is none."""
    from engine.storage.campaigns import create_campaign
    from engine.storage.live_segments import words_of
    from engine.targeting.campaign import checked_campaign

    if not 1 <= place <= len(found):
        raise BadInput(f"draft: there are {len(found)} proposals", field="draft")
    wanted = checked_campaign(dict(found[place - 1].campaign), words_of(settings))
    return create_campaign(ledger, wanted, actor=actor, now=now)
