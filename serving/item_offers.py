"""Item offers: what one piece of each recommended item costs with the best offer that this user may use now.

Opt-in, since it costs a round trip to the live store and a moment of computing. The ledger is not asked: offers are at
hand, and the live store has the user's coupons, segments, orders and the items as the shop last said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import StoreUnavailable
from engine.storage.live_documents import LiveDocuments
from engine.storage.live_wallets import Held, Wallet, read_wallet, wallet_key
from engine.storage.offer_documents import caps_of
from engine.storage.online import StoreError
from engine.storage.shown_offers import ShownOffers
from engine.targeting.counting import day_of, holds_of
from engine.targeting.eligibility import Facts, Issue
from engine.targeting.known_customer import KnownCustomer, first_order_of
from engine.targeting.labels import tier_segment
from engine.targeting.net_price import NetPrice, net_price, usable
from engine.targeting.offers import Offer
from serving.doors import Doors
from serving.runtime import Runtime
from serving.wire import iso

#: Offers that are held against each item: the user's own first, then the newest ones for everybody.
MOST_OFFERS = 10


async def offers_on(
    runtime: Runtime, prices: Mapping[str, int | None], user_id: str | None, now: float
) -> Mapping[str, list[dict[str, Any]]]:
    """The best offer of each item that has one, for one piece. `prices` are the bundle's, by item id, minor units.

    Empty while the live store or the ledger is away: a list is a list without them.
    """
    shown = runtime.offers.shown()
    reads = runtime.doors.reads
    if not shown.versions or not prices or reads is None:
        return {}
    try:
        wallet, documents, known = await reads.within(_asked(runtime, shown, list(prices), user_id))
    except (StoreUnavailable, StoreError, OSError):
        return {}
    facts = _facts(shown, known, user_id, runtime.settings.zone)
    own = [each for each in wallet.held if each.ends_at is None or each.ends_at > now]
    offers = _with_room(usable(_theirs(shown, own, user_id), facts, now), wallet, facts, now)[:MOST_OFFERS]
    items = [
        told if told is not None else {"item_id": item_id, "price": price}
        for (item_id, price), told in zip(prices.items(), documents, strict=True)
    ]
    # In a thread: a long list takes milliseconds, and other requests need not wait for all of them.
    best = await asyncio.to_thread(lambda: [net_price(each, offers, facts, now) for each in items])
    return {name: [_wire(each)] for name, each in zip(prices, best, strict=True) if each is not None}


async def _asked(
    runtime: Runtime, shown: ShownOffers, item_ids: Sequence[str], user_id: str | None
) -> tuple[Wallet, list[dict[str, Any] | None], KnownCustomer]:
    assert runtime.doors.live is not None
    wallet, documents, known = await asyncio.gather(
        _wallet(runtime.doors, runtime.settings.shop, user_id),
        LiveDocuments(runtime.doors.live, runtime.settings.shop).get("items", item_ids),
        _known(runtime, shown, user_id),
    )
    return wallet, documents, known


def _theirs(shown: ShownOffers, held: Sequence[Held], user_id: str | None) -> list[tuple[Offer, Issue]]:
    own = [
        (shown.versions[each.offer_id, each.version], Issue("", each.issued_at, user_id))
        for each in held
        if (each.offer_id, each.version) in shown.versions
    ]
    return own + [(shown.versions[each], Issue("")) for each in shown.for_all]


def _facts(shown: ShownOffers, known: KnownCustomer, user_id: str | None, zone: str) -> Facts:
    segments = frozenset(name for name, is_in in known.is_in.items() if is_in)
    tiers = {name for each in shown.versions.values() for name in each.eligible.tiers}
    theirs = frozenset(name for name in tiers if tier_segment(name) in segments)
    return Facts(user_id, segments, theirs, first_order_of(None, known.ordered), zone)


def _with_room(
    offers: list[tuple[Offer, Issue]], wallet: Wallet, facts: Facts, now: float
) -> list[tuple[Offer, Issue]]:
    """Those whose limits of one customer leave this one something; of what is reserved nobody knows here."""
    if facts.user_id is None or not wallet.used:
        return offers
    day, found = day_of(now, facts.zone), []
    for offer, issue in offers:
        caps = {scope: cap for scope, cap in caps_of(offer).items() if scope.of_customer}
        holds = holds_of(offer.offer_id, offer.campaign_id, facts.user_id, caps=caps, counted=(), discount=1, day=day)
        if all(hold.cap is None or wallet.used.get(hold.key, 0) + hold.add <= hold.cap for hold in holds):
            found.append((offer, issue))
    return found


async def _wallet(doors: Doors, shop: str, user_id: str | None) -> Wallet:
    if user_id is None or doors.live is None:
        return Wallet()
    found: Any = await doors.live.get(wallet_key(shop, user_id))
    return read_wallet(found)


async def _known(runtime: Runtime, shown: ShownOffers, user_id: str | None) -> KnownCustomer:
    """What offers ask of this user, where any asks."""
    asked = [each.eligible for each in shown.versions.values()]
    segments = {name for each in asked for name in (*each.segments, *map(tier_segment, each.tiers))}
    if user_id is None or not (segments or any(each.first_order for each in asked)):
        return KnownCustomer({}, None)
    return await runtime.customers.known(user_id, segments)


def _wire(best: NetPrice) -> dict[str, Any]:
    return {
        "offer_id": best.offer_id,
        "net_price": best.net_price,
        "ends_at": None if best.ends_at is None else iso(best.ends_at),
    }
