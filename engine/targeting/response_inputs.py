"""What the models of responses to offers may read: how lately, how often and what, never for how long or how dear.

One list, so that training, plans and the record of outcomes name the same. All of it passes `fairness.check_inputs`.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Traits at the launch of a campaign, whose outcomes teach what an offer changes.
TRAIT_INPUTS: tuple[str, ...] = (
    "days_since_seen", "days_since_order", "due_in_days", "visits_30d", "visits_90d", "views_30d", "views_90d",
    "cart_adds_90d", "wishlist_adds_365d", "conversion_90d", "orders_30d", "orders_90d", "orders_365d",
    "basket_pieces", "order_interval_days", "order_regularity", "items_bought", "favourite_category_share",
    "returns_365d", "complaints_90d", "coupons_seen_365d", "coupons_used_365d",
)  # fmt: skip

#: What is known of members of imported campaigns when those began: see training/response/propensity.py.
PROPENSITY_INPUTS: tuple[str, ...] = (
    "recency", "idle", "rate_7", "rate_30", "rate_90", "rate_365", "basket", "gap", "gap_spread", "last_gap", "overdue",
    "views_7", "views_30", "wishes_30", "searches_30", "returns",
    "campaigns_before", "coupons_before", "coupons_30d_before", "redeeming_rate", "days_since_coupon",
)  # fmt: skip

#: What the assumed response reads where no campaign is known.
PRIOR_INPUTS: tuple[str, ...] = ("orders_365d",)

#: What stands where a trait is not known: below whatever a trait can be but a day overdue, so that trees set it apart.
UNKNOWN = -9_999.0

#: The plain order that the model of imported campaigns has to beat, and what is used where it does not.
REDEEMED_BEFORE = "redeemed-before"

#: The inputs by what a plan's predictions rest on, or by the model that made them.
INPUTS: Mapping[str, tuple[str, ...]] = {
    REDEEMED_BEFORE: ("coupons_before",),
    "uplift": TRAIT_INPUTS,
    "propensity": PROPENSITY_INPUTS,
    "prior": PRIOR_INPUTS,
}
