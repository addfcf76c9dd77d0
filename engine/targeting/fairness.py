"""What may decide how deep somebody's discount is, and what must be said of each targeted discount.

The law: no unreasonable difference in price by automated decision (Personal Information Protection Law, article 24;
E-commerce Law, article 18). So the same product never costs a loyal customer more by prediction alone: recency,
activity, interest, published tiers and chance may decide; what stands for loyalty, a device or what somebody could pay
may not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from engine.errors import BadInput, NotAllowed

_DEVICE = "the device says nothing of the customer but what it cost"
_TENURE = "whoever has been a customer for longer must not pay more for it"
_CAN_PAY = "what somebody is expected to pay must not set what is asked"

#: Inputs that may not enter the depth of an offer, and why; a name is refused when it holds one of them as whole words.
FORBIDDEN_INPUTS: Mapping[str, str] = {
    **dict.fromkeys(("device", "platform", "os", "browser", "user_agent", "phone_model", "screen"), _DEVICE),
    **dict.fromkeys(
        ("tenure", "first_seen", "first_order", "member_since", "registered", "signed_up", "account_age", "loyalty"),
        _TENURE,
    ),
    **dict.fromkeys(
        ("willingness_to_pay", "wtp", "price_sensitivity", "price_elasticity", "reserve_price", "reservation_price",
         "price_level", "price_band", "discount_share", "income"), _CAN_PAY,
    ),
}  # fmt: skip

#: Why somebody gets a targeted discount: one of these stands beside every one that is given.
REASON_CLASSES: Mapping[str, str] = {
    "new_customer": "a newcomer's offer, for everybody who has not ordered or registered within the published days",
    "tier": "a benefit of a published tier",
    "win_back": "an offer for everybody who has been away for the published time",
    "random": "chance, by the same odds for all",
    "interest": "goods that the customer looked at, searched for or bought alike",
    "activity": "how often the customer visits or buys",
    "recency": "how long ago the customer was last there or ordered",
}

#: Published rules that anybody may come under, and chance: their discounts do not enter the parity of net prices.
OPEN_TO_ALL = ("new_customer", "tier", "random")


def is_forbidden(name: str) -> str | None:
    """Why an input of this name may not decide about a discount; None if it may."""
    words = f"_{'_'.join(re.findall('[a-z0-9]+', name.lower()))}_"
    return next((reason for each, reason in FORBIDDEN_INPUTS.items() if f"_{each}_" in words), None)


def check_inputs(inputs: Iterable[str]) -> None:
    """NotAllowed names the first input that may not decide about a discount, and why."""
    for name in inputs:
        if (reason := is_forbidden(name)) is not None:
            raise NotAllowed(
                f"inputs: {name!a} may not decide how deep a discount is: {reason}; leave it out of the model",
                code="forbidden_input", field=name,
            )  # fmt: skip


def check_reason_class(given: str | None, *, offer_id: str) -> str:
    """The class as it was given; BadInput where it is missing or none."""
    if given is None or given not in REASON_CLASSES:
        raise BadInput(
            f"reason_class: of offer {offer_id!a} is {given!a}; give one of {', '.join(REASON_CLASSES)}",
            field="reason_class",
        )
    return given
