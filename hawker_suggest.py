"""`hawker campaign suggest`: which campaigns would be worth it; a verb for the door of the campaigns."""

from __future__ import annotations

from typing import Annotated

import typer

from terminal import AsJson, answer, here


def suggest(
    goal: Annotated[str, typer.Option(help="win-back, second-order, clear-stock, launch-item or grow-category.")],
    budget: Annotated[int, typer.Option(help="What discounts may cost, minor units.")],
    channel: Annotated[str, typer.Option(help="storefront, email, webhook or file.")] = "email",
    item: Annotated[str | None, typer.Option(help="The item that it is about.")] = None,
    category: Annotated[str | None, typer.Option(help="The category that it is about.")] = None,
    margin: Annotated[float | None, typer.Option(help="The part of a price left after costs, if known.")] = None,
    limit: Annotated[int, typer.Option(help="How many proposals at most.")] = 10,
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
            found = suggest_campaigns(home, ledger, wish, now=clock.now(home), thresholds=settings.groups)
    lines = []
    for each in found:
        lines.append(
            f"{each.name}  {each.contacted:,} of {each.size:,}  cost {each.cost:,}  earns {each.profit:,}"
            f" ({each.low:,} to {each.high:,})\n  {each.reason}"
        )
        lines += [f"  missing: {said}" for said in each.missing]
    text = "\n".join(lines) or "nothing is expected to earn more than it costs"
    answer({"proposals": [each.as_json() for each in found]}, as_json, text)
