"""Shapes of what the till is asked and what it answers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from serving.schemas import TEXT_PATTERN, Whole
from serving.schemas import StoredId as AnyId


def _storable(text: str) -> str:
    if "\0" in text or any("\ud800" <= each <= "\udfff" for each in text):
        raise ValueError("holds NUL or half of a character, which the ledger cannot keep")
    return text


#: All of the largest basket together is no more than what money counts to.
MOST_CODES, MOST_LINES, MOST_PIECES, LARGEST_PRICE = 10, 100, 10_000, 10**9
_STRICT = ConfigDict(extra="forbid", strict=True)
StoredId = Annotated[AnyId, AfterValidator(_storable)]
Code = Annotated[
    str, AfterValidator(_storable), Field(min_length=1, max_length=64, json_schema_extra={"pattern": TEXT_PATTERN})
]


class BasketLine(BaseModel):
    model_config = _STRICT

    item_id: StoredId
    quantity: Whole = Field(1, ge=1, le=MOST_PIECES)
    unit_price: Whole = Field(ge=0, le=LARGEST_PRICE, description="Of one piece, before coupons, minor units.")


class BasketBody(BaseModel):
    model_config = _STRICT

    currency: str = Field(pattern="^[A-Z]{3}$", description="ISO 4217; that of the offers.")
    lines: list[BasketLine] = Field(min_length=1, max_length=MOST_LINES)
    shipping: Whole = Field(0, ge=0, le=LARGEST_PRICE, description="What sending costs, minor units.")


class CustomerBody(BaseModel):
    model_config = _STRICT

    segments: list[StoredId] = Field(default=[], max_length=1_000, description="Segments that the customer is in.")
    tier: StoredId | None = Field(default=None, description="The customer's tier.")
    first_order: bool | None = Field(default=None, description="Whether it is; null where nobody knows.")

    @property
    def tiers(self) -> tuple[str, ...]:
        """None or one: a customer is in one tier at most."""
        return () if self.tier is None else (self.tier,)


class ValidationRequest(BaseModel):
    model_config = _STRICT

    user_id: StoredId | None = Field(None, description="Whose basket it is; some offers need to know.")
    codes: list[Code] = Field(min_length=1, max_length=MOST_CODES, description="In the order of the customer's wish.")
    basket: BasketBody
    customer: CustomerBody = Field(default_factory=CustomerBody, description="What the shop knows of them.")
    reservation_id: StoredId | None = Field(None, description="What was reserved before; it counts as theirs.")


class ReservationRequest(ValidationRequest):
    ttl: str = Field(
        "PT30M",
        max_length=20,
        description="How long it is held, as an ISO-8601 duration of up to 7 days.",
        json_schema_extra={"pattern": "^P([1-7]D|T([1-9][0-9]{0,2}M|[1-9][0-9]?H|[1-9][0-9]{0,3}S))$"},
    )


class RedemptionRequest(ValidationRequest):
    order_id: StoredId = Field(description="The shop's order; it redeems once.")


class ReleaseRequest(BaseModel):
    model_config = _STRICT

    reservation_id: StoredId


class ReturnedLine(BaseModel):
    model_config = _STRICT

    line: Whole = Field(ge=0, lt=MOST_LINES, description="The line's place in the basket, from 0.")
    quantity: Whole = Field(1, ge=1, le=MOST_PIECES, description="Pieces that come back.")


class RollbackRequest(BaseModel):
    model_config = _STRICT

    lines: list[ReturnedLine] | None = Field(
        None, min_length=1, max_length=MOST_LINES, description="What comes back; left out, all that is left."
    )


class Reason(BaseModel):
    model_config = ConfigDict(extra="allow")

    code: str = Field(description="For programs.")
    message: str = Field(description="For people.")
    coupon: str | None = Field(None, description="The code that it is about.")


class AppliedCoupon(BaseModel):
    code: str
    offer_id: str
    version: int = Field(description="Of the offer, under which the coupon was issued.")
    discount: int
    points: int = Field(description="Points that it earns instead of money.")
    gifts: list[dict[str, Any]] = Field(description="`item_id` and `quantity` of what comes for free.")


class PricedLine(BaseModel):
    line: int = Field(description="Its place in the basket, from 0.")
    item_id: str
    subtotal: int
    discount: int
    total: int
    discounts: list[dict[str, Any]] = Field(description="`code` and `amount` of each coupon's share.")


class Prices(BaseModel):
    currency: str
    subtotal: int = Field(description="Of the lines, minor units.")
    shipping: int
    discount: int = Field(description="What all coupons take off, shipping included.")
    shipping_discount: int
    total: int = Field(description="What is left to pay, shipping included.")
    coupons: list[AppliedCoupon]
    lines: list[PricedLine]


class ValidationAnswer(BaseModel):
    valid: bool
    reasons: list[Reason] = Field(description="Why not; empty where it is valid.")
    prices: Prices | None


class ReservationAnswer(BaseModel):
    reservation_id: str
    expires_at: str
    prices: Prices


class ReleaseAnswer(BaseModel):
    released: bool = Field(description="False where it held nothing any more.")


class RedemptionAnswer(BaseModel):
    redemption_id: str = Field(description="Of all that the order redeemed; rollbacks name it.")
    order_id: str
    user_id: str | None
    redeemed_at: str
    prices: Prices


class RollbackAnswer(BaseModel):
    rollback_id: str
    redemption_id: str
    order_id: str
    whole: bool = Field(description="All of it went back, so the uses are given back too.")
    amount: int = Field(description="Discount that is taken back, minor units.")
    refund: int = Field(description="What had been paid for what comes back; with the last piece, for sending it too.")
    currency: str
    coupons: list[dict[str, Any]] = Field(description="`code` and `amount`.")
    lines: list[dict[str, Any]] = Field(description="`line`, `quantity`, `amount` and `refund`.")
    rolled_back_at: str


class UserOffer(BaseModel):
    code: str
    offer_id: str
    version: int
    usable: bool = Field(description="Nothing speaks against it but what the basket may bring.")
    reasons: list[Reason]
    wording: dict[str, Any] = Field(description="What the customer is told, as it was when it was issued.")
    terms: dict[str, Any]
    expires_at: str | None


class UserOffers(BaseModel):
    offers: list[UserOffer]
