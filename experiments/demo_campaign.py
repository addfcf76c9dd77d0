"""The demo's campaign: suggested, planned under a budget, launched, redeemed by simulated customers, reported.

It is rehearsed on a copy of the shop, over HTTP, as a marketer and a storefront would run it. What the copy's customers
do is drawn by chance and said to be simulated: a chance to order, and a planted uplift for those with a coupon.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from engine.errors import NotAllowed, StoreUnavailable
from engine.settings import Settings
from engine.storage.clock import now, read_offset, set_offset
from engine.storage.embedded import open_stores
from engine.storage.home import Home
from engine.storage.ledger import connection_of, opened_ledger, rows_of
from experiments.rehearsal import rehearsal_of
from experiments.traffic.served import free_port, served

BUDGET = 60_000  # minor units
#: What is planted: the chance of an order in the weeks after, what a coupon adds, which part of the orders uses one.
BASE, UPLIFT, USES = 0.30, 0.15, 0.80
GOALS = ("win-back", "second-order", "grow-category")
_DAYS, _READ_AFTER = (
    20,
    29,
)  # days after the launch: customers order within the former, the report is read after the latter
_PATIENCE = 120.0  # seconds for a job, or for the lake
_CAMPAIGN = "rehearsal"
_OFFERS: Mapping[str, Mapping[str, Any]] = {
    "ten-percent": {
        "name": {"en": "10 % off", "zh": "九折"}, "currency": "USD", "largest_discount": 1_000,
        "benefit": {"kind": "percent", "percent": 10},
    },
    "three-dollars": {
        "name": {"en": "3 dollars off from 20", "zh": "满20减3"}, "currency": "USD", "minimum": {"amount": 2_000},
        "benefit": {"kind": "amount", "amount": 300},
    },
}  # fmt: skip


def show_campaign(
    home: Home, settings: Settings, *, category: str, version: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Three suggestions, a plan, what was simulated and the report; kept, and rehearsed once a published version."""
    kept = home.root / "rehearsal" / "campaign.json"
    if kept.exists() and (found := dict(json.loads(kept.read_text())))["version"] == version:
        return found
    say("campaign: a copy of the shop to rehearse on")
    copy = rehearsal_of(home, settings)
    port = free_port()
    with served(copy.root, shop=copy.shop, marketing_port=str(port), zone=settings.zone) as shop:
        found = _Rehearsal(copy, settings, shop.url, f"http://127.0.0.1:{port}", say).run(category)
    found = {"version": version, **found}
    kept.write_text(json.dumps(found))
    return found


class _Rehearsal:
    """One campaign on the copy, whose storefront answers at `shop` and whose marketing interface at `office`."""

    def __init__(self, copy: Home, settings: Settings, shop: str, office: str, say: Callable[[str], None]) -> None:
        self._copy, self._settings, self._shop, self._office, self._say = copy, settings, shop, office, say
        self._chance = np.random.default_rng(11)

    def run(self, category: str) -> dict[str, Any]:
        for offer_id, terms in _OFFERS.items():
            _ask("PUT", f"{self._office}/v1/offers/{offer_id}", dict(terms))
        proposals = [each for goal in GOALS for each in self._suggested(goal, category)]
        # The one that reaches most people: of a few dozen no report could tell anything.
        chosen = max(proposals, key=lambda each: int(each["reachable"]))
        # By chance, as a first campaign should be: what a discount changes here is not known before.
        document = {**chosen["campaign"], "variants": [], "offers": list(_OFFERS), "budget": BUDGET}
        self._do("", {"campaign_id": _CAMPAIGN, "campaign": document})
        plan = _ask("POST", f"{self._office}/v1/campaigns/{_CAMPAIGN}/plan", {})
        self._say("campaign: launch")
        self._wait_for_job(self._do(f"/{_CAMPAIGN}/launch", {})["job_id"])
        simulated = self._simulate()
        self._say("campaign: report")
        report = self._report(simulated["orders"])
        return {"suggestions": proposals, "plan": plan, "simulated": simulated, "report": report}

    def _suggested(self, goal: str, category: str) -> list[dict[str, Any]]:
        wish = {"goal": goal, "budget": BUDGET, "channel": "storefront", "limit": 1}
        wish |= {"category": category} if goal == "grow-category" else {}
        return list(_ask("POST", f"{self._office}/v1/campaigns/suggestions", wish)["proposals"])

    def _do(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return _ask("POST", f"{self._office}/v1/campaigns{path}", body, key=f"demo{path}")

    def _wait_for_job(self, job_id: str) -> None:
        ended: dict[str, Any] = {}

        def is_over() -> bool:
            ended.update(_ask("GET", f"{self._office}/v1/jobs/{job_id}"))
            return ended["state"] not in ("queued", "running")

        _wait(is_over, "the launch")
        if ended["state"] != "done":
            raise StoreUnavailable(f"the rehearsed launch has {ended['state']}: {ended['error']}")

    def _simulate(self) -> dict[str, Any]:
        """What the members do in the weeks after the launch, told to the storefront as it would be."""
        launched, members = now(self._copy), self._members()
        self._later(_DAYS)
        self._say(f"campaign: {len(members):,} simulated customers")
        orders = [each for number, user in enumerate(members) for each in self._ordered(number, user, launched)]
        for start in range(0, len(orders), 1_000):
            told = {"events": orders[start : start + 1_000], "create_missing": True}
            _ask("POST", f"{self._shop}/v1/events", told)
        self._later(_READ_AFTER - _DAYS)
        redeemed = sum(each["amount"] < each["list_amount"] for each in orders)
        return {
            "members": len(members), "orders": len(orders), "redeemed": redeemed,
            "planted": {"base": BASE, "uplift": UPLIFT, "uses": USES},
        }  # fmt: skip

    def _later(self, days: int) -> None:
        set_offset(self._copy, read_offset(self._copy) + days * 86_400)
        time.sleep(2)  # every process follows the clock within a second

    def _ordered(self, number: int, user: str, launched: float) -> Iterator[dict[str, Any]]:
        """At most one order of a customer; those who have a coupon order more often, and most of them use it."""
        path = f"{self._shop}/v1/users/{urllib.parse.quote(user, safe='')}/offers"
        codes = [each["code"] for each in _ask("GET", path)["offers"]]
        lucky, uses, when = self._chance.random(3)
        price, order = 2_000 + int(self._chance.integers(4_000)), f"rehearsal-{number}"
        if lucky >= BASE + (UPLIFT if codes else 0.0):
            return
        paid = self._redeem(user, codes[0], order, price) if codes and uses < USES else price
        at = datetime.fromtimestamp(launched, UTC) + timedelta(days=when * _DAYS, minutes=1)
        yield {
            "event_id": order, "type": "purchase", "user_id": user, "item_id": "rehearsed basket",
            "time": at.isoformat(), "quantity": 1, "amount": paid, "list_amount": price, "currency": "USD",
            "order_id": order,
        }  # fmt: skip

    def _redeem(self, user: str, code: str, order: str, price: int) -> int:
        """What is left to pay."""
        line = {"item_id": "rehearsed basket", "quantity": 1, "unit_price": price}
        body = {"user_id": user, "codes": [code], "order_id": order, "basket": {"currency": "USD", "lines": [line]}}
        answer = _ask("POST", f"{self._shop}/v1/coupons/redemptions", body, key=order)
        return int(answer["prices"]["total"])

    def _members(self) -> list[str]:
        settings = replace(self._settings, home=self._copy.root, postgres_url="", redis_url="", stream_url="")
        with (
            open_stores(settings, {"ledger"}) as stores,
            opened_ledger(stores.ledger_url, self._copy.shop) as ledger,
            connection_of(ledger) as connection,
        ):
            rows = rows_of(connection, "SELECT user_id FROM campaign_members ORDER BY user_id")
        return [user for (user,) in rows]

    def _report(self, orders: int) -> dict[str, Any]:
        """The report once all orders have come through the stream and the lake; its page is kept beside the shop."""
        path = f"{self._office}/v1/campaigns/{_CAMPAIGN}/report"
        report: dict[str, Any] = {}

        def is_complete() -> bool:
            report.update(_ask("GET", path))
            return bool(sum(each["orders"] for each in report["totals"].values()) >= orders)

        _wait(is_complete, "the report")
        return report


def campaign_tables(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    """What `show_campaign` found, for people."""
    yield Text("\nSuggested campaigns (US cents)", style="bold")
    for each in found["suggestions"]:
        yield Text(
            f"{each['campaign']['name']}: reach {each['reachable']:,}, cost {each['cost']:,}, earns {each['profit']:,}"
            f" ({each['low']:,} to {each['high']:,})\n  {each['reason']}"
        )
    plan, simulated, report = found["plan"], found["simulated"], found["report"]
    yield Text(f"\nPlan under a budget of {BUDGET:,}", style="bold")
    for name in ("customers", "treated", "cost", "profit", "gap", "one_more_unit", "evidence_says"):
        if name in plan:
            yield Text(f"{name.replace('_', ' ')}: {_short(plan[name])}")
    planted = simulated["planted"]
    yield Text(
        f"\nSimulated, on a copy of the shop: {simulated['orders']:,} orders of {simulated['members']:,} customers,"
        f" {simulated['redeemed']:,} with a coupon\n(planted: {planted['base']:.0%} order, a coupon adds"
        f" {planted['uplift']:.0%})",
        style="bold",
    )
    table = Table("simulated", "treated", "held out", "each more", "95 % interval", box=None)
    for each in report["effects"]:
        told = (each["treated_mean"], each["control_mean"], each["each"]["value"], each["each"]["low"],
                each["each"]["high"])  # fmt: skip
        treated, held, more, low, high = (f"{value:,.3f}" for value in told)
        table.add_row(each["measure"], treated, held, more, f"{low} to {high}")
    yield table
    for sentence in report["sentences"]:
        yield Text(sentence)


def _short(value: Any) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _wait(is_over: Callable[[], bool], what: str) -> None:
    began = time.monotonic()
    while not is_over():
        if time.monotonic() - began > _PATIENCE:
            raise StoreUnavailable(f"{what} of the rehearsal did not come within {_PATIENCE:g} s")
        time.sleep(0.5)


def _ask(method: str, url: str, body: Mapping[str, Any] | None = None, *, key: str | None = None) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 (our own)
    try:
        with urllib.request.urlopen(request, timeout=60.0) as answer:  # noqa: S310 (our own)
            return dict(json.loads(answer.read()))
    except urllib.error.HTTPError as refused:
        told = refused.read().decode(errors="replace")[:1_000]
        raise NotAllowed(f"the rehearsal was refused at {method} {url}: {told}", code="rehearsal_refused") from refused
