"""Offers in the ledger: their versions, which are never changed, and what is counted for them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from engine.errors import BadInput, NotAllowed, UnknownThing
from engine.storage.ledger import Ledger, LedgerConnection, connection_of, rows_of
from engine.targeting.counting import Scope, counter_key, day_of, owner_of

_COLUMNS = (
    "f.offer_id, f.campaign_id, v.version, f.state, v.terms, v.wording, v.actor,"
    " extract(epoch FROM f.created_at)::float8, extract(epoch FROM v.created_at)::float8"
)
_FROM = "FROM offers f JOIN offer_versions v ON v.offer_id = f.offer_id"


@dataclass(frozen=True, slots=True)
class StoredOffer:
    """One version of an offer. Times are epoch seconds; `state` is the offer's: active or disabled."""

    offer_id: str
    campaign_id: str | None
    version: int
    state: str
    terms: Mapping[str, Any]
    wording: Mapping[str, Any]
    actor: str | None
    created_at: float
    version_at: float


def create_offer(
    ledger: Ledger,
    offer_id: str,
    terms: Mapping[str, Any],
    wording: Mapping[str, Any],
    scopes: Collection[Scope],
    *,
    campaign_id: str | None,
    actor: str | None,
    now: float,
    zone: str,
) -> StoredOffer:
    """The first version of a new offer. `scopes` are what its terms limit. Raises NotAllowed when the id is taken."""
    with connection_of(ledger) as connection:
        _hold_still(connection, offer_id, campaign_id)
        made = rows_of(
            connection,
            "INSERT INTO offers (offer_id, campaign_id, version, state, created_at)"
            " VALUES (:id, :campaign, 0, 'active', to_timestamp(:now)) ON CONFLICT DO NOTHING RETURNING 1",
            id=offer_id,
            campaign=campaign_id,
            now=now,
        )
        if not made:
            raise NotAllowed(
                f"there is an offer {offer_id!r} already; make a new version of it, or choose another id",
                code="offer_exists",
                field="offer_id",
            )
        return _add_version(connection, offer_id, campaign_id, terms, wording, scopes, actor, now, zone)


def add_version(
    ledger: Ledger,
    offer_id: str,
    terms: Mapping[str, Any],
    wording: Mapping[str, Any],
    scopes: Collection[Scope],
    *,
    actor: str | None,
    now: float,
    zone: str,
) -> StoredOffer:
    """New terms for coupons issued from now on; issued ones keep theirs. The same terms again change nothing.

    What was used before counts for limits that are new. Raises UnknownThing.
    """
    with connection_of(ledger) as connection:
        known = find_offer(connection, offer_id)
        _hold_still(connection, offer_id, known.campaign_id)
        known = find_offer(connection, offer_id)
        if terms.get("campaign_id", known.campaign_id) != known.campaign_id:
            raise NotAllowed(
                "campaign_id: an offer stays in its campaign, which counts it; make another offer",
                code="campaign_fixed",
                field="campaign_id",
            )
        if (known.terms, known.wording) == (terms, wording):
            return known
        return _add_version(connection, offer_id, known.campaign_id, terms, wording, scopes, actor, now, zone)


def disable_offer(ledger: Ledger, offer_id: str) -> StoredOffer:
    """From the moment this returns no coupon of the offer is used. Again changes nothing. Raises UnknownThing."""
    with connection_of(ledger) as connection:
        _hold_still(connection, offer_id, None)
        rows_of(connection, "UPDATE offers SET state = 'disabled' WHERE offer_id = :id", id=offer_id)
        return find_offer(connection, offer_id)


def find_offer(ledger: Ledger, offer_id: str, version: int | None = None) -> StoredOffer:
    """A version of an offer, without one the newest. Raises UnknownThing."""
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            f"SELECT {_COLUMNS} {_FROM} WHERE f.offer_id = :id AND v.version = coalesce(:version, f.version)",
            id=offer_id,
            version=version,
        )
    if not rows:
        told = f"there is no offer {offer_id!r}" + ("" if version is None else f" with a version {version}")
        raise UnknownThing(f"{told}; `hawker offer list` shows them", code="unknown_offer", field="offer_id")
    return StoredOffer(*rows[0])


def read_versions(ledger: Ledger, wanted: Collection[tuple[str, int]]) -> list[StoredOffer]:
    """These versions, as far as there are such."""
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            f"SELECT {_COLUMNS} {_FROM} JOIN unnest(CAST(:ids AS text[]), CAST(:versions AS int[])) AS w(id, version)"
            " ON w.id = v.offer_id AND w.version = v.version",
            ids=[offer_id for offer_id, _ in wanted],
            versions=[version for _, version in wanted],
        )
    return [StoredOffer(*row) for row in rows]


def list_offers(ledger: Ledger, *, after: str = "", limit: int = 100) -> list[StoredOffer]:
    """Newest versions of the offers whose ids come after `after`, in the order of their ids."""
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            f"SELECT {_COLUMNS} {_FROM} AND v.version = f.version"
            ' WHERE f.offer_id COLLATE "C" > :after ORDER BY f.offer_id COLLATE "C" LIMIT :limit',
            after=after,
            limit=limit,
        )
    return [StoredOffer(*row) for row in rows]


def list_versions(ledger: Ledger, offer_id: str) -> list[StoredOffer]:
    """All versions, the newest first. Raises UnknownThing."""
    newest = find_offer(ledger, offer_id)
    wanted = [(offer_id, version) for version in range(newest.version, 0, -1)]
    return sorted(read_versions(ledger, wanted), key=lambda each: -each.version)


@dataclass(frozen=True, slots=True)
class OfferStats:
    """Numbers of coupons and of uses that stand; money in minor units, what was given and not taken back."""

    codes: int
    issued: int
    orders: int
    customers: int
    rolled_back: int
    discount: int
    returned: int

    def as_json(self) -> dict[str, int]:
        return asdict(self)


def offer_stats(ledger: Ledger, offer_id: str) -> OfferStats:
    """What became of an offer so far, counted from its redemptions. Raises UnknownThing."""
    with connection_of(ledger) as connection:
        find_offer(connection, offer_id)
        codes = rows_of(connection, "SELECT count(*), count(issued_at) FROM coupons WHERE offer_id = :id", id=offer_id)
        uses = rows_of(
            connection,
            "SELECT count(*) FILTER (WHERE s.state = 'redeemed'),"
            " count(DISTINCT r.user_id) FILTER (WHERE s.state = 'redeemed'),"
            " count(*) FILTER (WHERE s.state = 'rolled_back'),"
            " coalesce(sum(r.discount - r.returned), 0)::bigint, coalesce(sum(r.returned), 0)::bigint"
            " FROM redemptions r JOIN redemption_stacks s ON s.redemption_id = r.redemption_id WHERE r.offer_id = :id",
            id=offer_id,
        )
    return OfferStats(*codes[0], *uses[0])


def _add_version(
    connection: LedgerConnection,
    offer_id: str,
    campaign_id: str | None,
    terms: Mapping[str, Any],
    wording: Mapping[str, Any],
    scopes: Collection[Scope],
    actor: str | None,
    now: float,
    zone: str,
) -> StoredOffer:
    _check_currency(connection, offer_id, campaign_id, terms.get("currency"))
    rows_of(
        connection,
        "WITH next AS (UPDATE offers SET version = version + 1 WHERE offer_id = :id RETURNING version)"
        " INSERT INTO offer_versions (offer_id, version, terms, wording, actor, created_at)"
        " SELECT :id, version, CAST(:terms AS jsonb), CAST(:wording AS jsonb), :actor, to_timestamp(:now) FROM next",
        id=offer_id,
        terms=json.dumps(terms),
        wording=json.dumps(wording),
        actor=actor,
        now=now,
    )
    for scope in sorted(set(scopes)):
        owner = owner_of(scope, offer_id, campaign_id)
        fresh = rows_of(
            connection,
            "INSERT INTO counted_scopes (owner, scope) VALUES (:owner, :scope) ON CONFLICT DO NOTHING RETURNING 1",
            owner=owner,
            scope=scope.text,
        )
        if fresh:
            _count_past(connection, scope, owner, offer_id, campaign_id, zone)
    return find_offer(connection, offer_id)


def _check_currency(connection: LedgerConnection, offer_id: str, campaign_id: str | None, currency: str | None) -> None:
    """Amounts that are counted together are of one currency, or their sum would mean nothing."""
    others = rows_of(
        connection,
        "SELECT f.offer_id, v.terms->>'currency' FROM offer_versions v JOIN offers f ON f.offer_id = v.offer_id"
        " WHERE (f.offer_id = :id OR f.campaign_id = :campaign) AND v.terms->>'currency' <> :currency LIMIT 1",
        id=offer_id,
        campaign=campaign_id,
        currency=currency,
    )
    if others:
        raise BadInput(
            f"currency: is {currency}, but {others[0][0]!r} counts in {others[0][1]}; make an offer beside it",
            field="currency",
        )


def _count_past(
    connection: LedgerConnection, scope: Scope, owner: str, offer_id: str, campaign_id: str | None, zone: str
) -> None:
    """Uses of before count for a limit that is new. What of them is taken back later is not given back to it."""
    where, wanted = ("r.campaign_id = :id", campaign_id) if scope.of_campaign else ("r.offer_id = :id", offer_id)
    past: Sequence[tuple[Any, ...]] = rows_of(
        connection,
        "SELECT r.user_id, extract(epoch FROM r.redeemed_at)::float8, r.discount - r.returned FROM redemptions r"
        f" JOIN redemption_stacks s ON s.redemption_id = r.redemption_id WHERE s.state = 'redeemed' AND {where}",
        id=wanted,
    )
    used: Counter[str] = Counter()
    for user_id, moment, money in past:
        if user_id is not None or not scope.of_customer:
            used[counter_key(scope, owner, user_id, day_of(moment, zone))] += 1 if scope.kind == "uses" else money
    rows_of(
        connection,
        "INSERT INTO counters (key, used, cap)"
        " SELECT w.key, w.used, w.used FROM unnest(CAST(:keys AS text[]), CAST(:used AS bigint[])) AS w(key, used)",
        keys=list(used),
        used=list(used.values()),
    )


def _hold_still(connection: LedgerConnection, offer_id: str, campaign_id: str | None) -> None:
    """No coupon of these is used until the transaction ends; those in hand are waited for."""
    names = [f"offer {offer_id}", *([] if campaign_id is None else [f"campaign {campaign_id}"])]
    for name in sorted(names):
        rows_of(
            connection,
            "SELECT 1 FROM (SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || :name, 1))) AS held",
            name=name,
        )
