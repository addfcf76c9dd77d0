"""Known customers: what Hawker knows of who buys goes before what the caller says.

Segments and classes that Hawker keeps hold by the last evaluation, whoever claims what; so do tiers where the shop has
a classification `tier`. Other names are labels of the shop's own: there the caller's word counts. A known order makes
the next one no first order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from engine.errors import StoreUnavailable
from engine.storage.coupon_wallet import has_redeemed
from engine.storage.ledger import LedgerPool
from engine.storage.offered_segments import kept_segments
from engine.targeting.known_customer import KnownCustomer, Shopper, first_order_of
from engine.targeting.labels import class_of, tier_segment
from engine.targeting.offers import Offer

#: Asks for a user and segments; it waits, and is for threads. Raises StoreUnavailable.
Knows = Callable[[str, Collection[str]], KnownCustomer]


def nobody_knows(_user_id: str, _segments: Collection[str]) -> KnownCustomer:
    """Where there is nothing to know it from."""
    return KnownCustomer({}, None)


def held_eligible(_user_id: str, segments: Collection[str]) -> KnownCustomer:
    """What is known while a reservation holds: it was made for the same user and codes, and who was in stays in."""
    return KnownCustomer(dict.fromkeys(segments, True), ordered=False)


def known_shopper(
    ledger: LedgerPool,
    said: Shopper,
    offers: Collection[Offer],
    *,
    user_id: str | None,
    order_id: str | None,
    ready_made: Collection[str],
    knows: Knows,
) -> Shopper:
    """Who buys, as far as these offers ask; `ready_made` are the names of the segments that every shop has.

    Raises StoreUnavailable where a segment of Hawker's cannot be asked, or was not evaluated yet.
    """
    named = {name for each in offers for name in each.eligible.segments}
    tiers = {name for each in offers for name in each.eligible.tiers}
    asks_first = any(each.eligible.first_order for each in offers)
    if not named and not tiers and not asks_first:
        return said
    kept, kept_tiers = _kept(ledger, named, tiers, ready_made)
    said = replace(said, segments=said.segments - kept.keys(), tiers=said.tiers - kept_tiers.keys())
    if user_id is None:  # nobody in particular is in no segment
        return said
    known = knows(user_id, [name for name, is_used in kept.items() if is_used])
    if late := [name for name, is_used in kept.items() if is_used and name not in known.is_in]:
        raise StoreUnavailable(
            f"who is in the segment {late[0]!a} is not known yet; try again in a minute", code="segment_not_evaluated"
        )
    theirs = {name for name, is_in in known.is_in.items() if is_in}
    ordered = known.ordered
    if asks_first and not ordered and has_redeemed(ledger, user_id, besides=order_id):
        ordered = True
    return Shopper(
        said.segments | theirs,
        said.tiers | {tier for tier, segment in kept_tiers.items() if segment in theirs},
        first_order_of(said.first_order, ordered),
    )


def _kept(
    ledger: LedgerPool, named: Collection[str], tiers: Collection[str], ready_made: Collection[str]
) -> tuple[Mapping[str, bool], Mapping[str, str]]:
    """Which of these Hawker knows the members of: segments with whether they are in use, and tiers with their class."""
    kept = dict.fromkeys({*named} & {*ready_made}, True)
    classes = {tier: tier_segment(tier) for tier in tiers}
    asked = ({*named} - kept.keys()) | {*classes.values()}
    if not asked:
        return kept, {}
    found = kept_segments(ledger, asked)
    kept_tiers = {tier: name for tier, name in classes.items() if found.tiers or class_of(tier) is not None}
    wanted = {*named, *kept_tiers.values()}
    return kept | {name: is_used for name, is_used in found.segments.items() if name in wanted}, kept_tiers
