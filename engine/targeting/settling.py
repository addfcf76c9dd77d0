"""Settling: what a caller and the ledger tell one another about the use of some coupons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.targeting.counting import Hold, Scope, campaign_owner, offer_owner

Mode = Literal["validate", "reserve", "redeem"]


@dataclass(frozen=True, slots=True)
class Once:
    """A request that must have its effect once: who asks (a fingerprint), under which key, and what."""

    asker: str
    key: str
    hash: str


@dataclass(frozen=True, slots=True)
class Told:
    """An answer as it was given before."""

    status: int
    answer: str


@dataclass(frozen=True, slots=True)
class Coupon:
    """A code as the ledger has it. `version` is what it was issued under, `newest` the offer's; times epoch seconds."""

    code: str
    offer_id: str
    campaign_id: str | None
    version: int
    newest: int
    user_id: str | None
    issued_at: float | None
    expires_at: float | None
    max_uses: int | None
    uses: int
    disabled: bool
    scopes: tuple[Scope, ...]

    @property
    def owners(self) -> tuple[str, ...]:
        return (
            offer_owner(self.offer_id),
            *([] if self.campaign_id is None else [campaign_owner(self.campaign_id)]),
        )


@dataclass(frozen=True, slots=True)
class Reservation:
    id: str
    user_id: str | None
    codes: tuple[str, ...]
    created_at: float
    live: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What the ledger knows at `now`, the shop's time in epoch seconds."""

    now: float
    coupons: Mapping[str, Coupon]
    told: Told | None
    wrong_tries: int
    order_taken: bool
    reservation: Reservation | None


@dataclass(frozen=True, slots=True)
class Use:
    """One coupon of a plan; `discount` in minor units."""

    code: str
    offer_id: str
    version: int
    newest: int
    campaign_id: str | None
    discount: int
    holds: tuple[Hold, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A basket line at its `place` from 0: `price` of a piece, `shares` of each coupon in its discount; minor units."""

    place: int
    item_id: str
    quantity: int
    price: int
    shares: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """What should become true. `at` is the facts' now; `until` ends a reservation; both epoch seconds."""

    mode: Mode
    id: str
    at: float
    offset: float
    uses: tuple[Use, ...]
    owners: tuple[str, ...]
    scopes: int
    user_id: str | None = None
    once: Once | None = None
    order_id: str | None = None
    currency: str | None = None
    subtotal: int = 0
    discount: int = 0
    lines: tuple[Line, ...] = ()
    reservation: str | None = None
    until: float | None = None
    status: int = 200
    events: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a plan. `keys`: counters without room; `order_taken`: the order has redeemed before."""

    kind: Literal["done", "refused", "stale", "replay"]
    keys: tuple[str, ...] = ()
    order_taken: bool = False
    told: Told | None = None
