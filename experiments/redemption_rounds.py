"""Rounds at the till: races for what is promised once, a hundred times or up to a sum, and kills in between."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from engine.storage.coupon_issue import import_codes, never, publish
from engine.storage.ledger import LedgerPool
from engine.storage.offer_documents import put_offer
from experiments.redemption_calls import Callers, wish
from experiments.redemption_history import Promise
from experiments.traffic.served import Served

_STORM_CAP = 30
_BETWEEN_ORDERS = 0.02  # seconds
OFF = 130  # minor units that a coupon of these rounds gives


@dataclass(frozen=True, slots=True)
class Size:
    """How many rounds of each race, and how large."""

    one_rounds: int
    one_callers: int
    hundred_rounds: int
    hundred_attempts: int
    hundred_cap: int
    money_rounds: int
    money_attempts: int
    customer_rounds: int
    repeat_rounds: int
    kills: int
    guesses: int


FULL = Size(200, 64, 50, 2_000, 100, 50, 1_000, 50, 50, 50, 200)
QUICK = Size(5, 16, 2, 150, 20, 2, 100, 3, 3, 2, 20)


def make_offer(
    ledger: LedgerPool,
    offer_id: str,
    *,
    amount: int = OFF,
    limits: list[Mapping[str, Any]] | None = None,
    budget: Mapping[str, Any] | None = None,
    campaign_id: str | None = None,
) -> None:
    """An offer that takes an amount off any basket, with one code for everybody that is called as it is."""
    document: dict[str, Any] = {
        "offer_id": offer_id,
        "name": offer_id,
        "benefit": {"kind": "amount", "amount": amount},
        "currency": "EUR",
        "limits": limits or [],
        "budgets": [] if budget is None else [budget],
        "code": "generic",
    }
    if campaign_id is not None:
        document["campaign_id"] = campaign_id
    put_offer(ledger, document, actor="bench", now=time.time(), zone="UTC")
    import_codes(ledger, offer_id, [offer_id], max_uses=None, now=time.time())


async def race_for_one(callers: Callers, ledger: LedgerPool, size: Size) -> None:
    """A code that may be used once, wanted by all at once."""
    for turn in range(size.one_rounds):
        code = f"ONE-{turn}"
        make_offer(ledger, code, limits=[{"of": "offer", "count": 1, "per": "total"}])
        wishes = [wish(f"{code} {each}", code) for each in range(size.one_callers)]
        await callers.rush(code, Promise(uses=1), wishes)


async def race_for_a_hundred(callers: Callers, ledger: LedgerPool, size: Size) -> None:
    for turn in range(size.hundred_rounds):
        code = f"HUNDRED-{turn}"
        make_offer(ledger, code, limits=[{"of": "offer", "count": size.hundred_cap, "per": "total"}])
        wishes = [wish(f"{code} {each}", code) for each in range(size.hundred_attempts)]
        await callers.rush(code, Promise(uses=size.hundred_cap), wishes)


async def race_for_money(callers: Callers, ledger: LedgerPool, size: Size) -> None:
    """Five coupons of different amounts that share one sum of a campaign."""
    for turn in range(size.money_rounds):
        name, amounts = f"MONEY-{turn}", (90, 110, 130, 157, 171)
        sum_ = size.money_attempts * 30 + turn
        for amount in amounts:
            make_offer(
                ledger,
                f"{name}-{amount}",
                amount=amount,
                campaign_id=name,
                budget={"of": "campaign", "amount": sum_, "per": "total"},
            )
        wishes = [
            wish(f"{name} {each}", f"{name}-{amounts[each % len(amounts)]}") for each in range(size.money_attempts)
        ]
        await callers.rush(name, Promise(money=sum_), wishes)


async def race_of_one_customer(callers: Callers, ledger: LedgerPool, size: Size) -> None:
    """One customer, many orders, a key each."""
    for turn in range(size.customer_rounds):
        code = f"EACH-{turn}"
        make_offer(ledger, code, limits=[{"of": "customer", "count": 1, "per": "total"}])
        wishes = [wish(f"{code} {each}", code, f"customer {turn}") for each in range(size.one_callers)]
        await callers.rush(code, Promise(each=1, uses=1), wishes)


async def repeats(callers: Callers, ledger: LedgerPool, size: Size) -> int:
    """One request fifty times at once; how many answers were neither the effect's nor that it is being answered."""
    odd = 0
    for turn in range(size.repeat_rounds):
        code = f"REPEAT-{turn}"
        make_offer(ledger, code)
        statuses = await callers.rush(code, Promise(uses=1), [wish(code, code)] * 50)
        odd += sum(status not in (201, 409) for status in statuses) + (201 not in statuses)
    return odd


async def guesses(callers: Callers, ledger: LedgerPool, number: int) -> dict[str, float]:
    """Median milliseconds until a code is refused that nobody knows, that is used, that has expired, or is another's.

    Each guess comes from a user of its own, so that none has to wait.
    """
    make_offer(ledger, "GUESS")
    now = time.time()
    import_codes(ledger, "GUESS", [f"GUESS-used-{each}" for each in range(number)], now=now)
    await callers.rush(
        "GUESS-uses", Promise(), [wish(f"guess use {each}", f"GUESS-used-{each}") for each in range(number)]
    )
    late, foreign = (
        [
            publish(ledger, "GUESS", f"{who} {each}", join_once=False, expiry=expiry, now=now).code
            for each in range(number)
        ]
        for who, expiry in (("late", lambda *_: now - 60), ("foreign", never))
    )
    codes = {
        "unknown": [f"GUESS-none-{each}" for each in range(number)],
        "used": [f"GUESS-used-{each}" for each in range(number)],
        "expired": late,
        "foreign": foreign,
    }
    seconds: dict[str, list[float]] = {name: [] for name in codes}
    callers.promise("GUESS-tries", Promise(uses=0))
    for each in range(number):  # in turns, so that what the machine does besides is shared fairly
        for name, of_kind in codes.items():
            guess = wish(f"guess {name} {each}", of_kind[each])
            call = await callers.one("GUESS-tries", guess)
            seconds[name].append(call.answered - call.sent)
    return {name: round(1_000 * sorted(times)[number // 2], 2) for name, times in seconds.items()}


async def kills(callers: Callers, ledger: LedgerPool, shop: Served, size: Size, seed: int) -> dict[str, Any]:
    """kill -9 of one storefront worker or of PostgreSQL, in turns; orders go on, and each repeats until it is told."""
    codes = [f"STORM-{turn}" for turn in range(size.kills)]
    for code in codes:
        make_offer(ledger, code, limits=[{"of": "offer", "count": _STORM_CAP, "per": "total"}])
        callers.promise(code, Promise(uses=_STORM_CAP))
    make_offer(ledger, "CALM")
    chance, stop, turn = random.Random(seed), asyncio.Event(), 0
    killed = {"storefront": 0, "postgres": 0}

    async def shopper(number: int) -> None:
        """Every other one wants what is promised to few, so that its end falls into the kills too."""
        order = 0
        while not stop.is_set():
            code = codes[turn] if number % 2 else "CALM"
            await callers.until_told_by(number, code, wish(f"{code} {number} {order}", code))
            order += 1
            await asyncio.sleep(_BETWEEN_ORDERS)

    async def killer() -> None:
        nonlocal turn
        for turn in range(size.kills):
            await asyncio.sleep(chance.uniform(0.5, 1.5))
            name = ("storefront", "postgres")[turn % 2]
            while killed[name] == turn // 2:  # until it hits: a victim is being started still, or just ended
                if victims := await asyncio.to_thread(shop.alive, name):
                    with suppress(ProcessLookupError):
                        os.kill(chance.choice(victims), signal.SIGKILL)
                        killed[name] += 1
                else:
                    await asyncio.sleep(0.05)
        await asyncio.sleep(2.0)
        stop.set()

    await asyncio.gather(killer(), *(shopper(number) for number in range(16)))
    # What is left of the promise is taken now, and not one more.
    for code in codes:
        await callers.until_told(code, [wish(f"{code} rest {each}", code) for each in range(_STORM_CAP + 10)])
    return {"kills": sum(killed.values()), **{f"kills_of_{name}": number for name, number in killed.items()}}
