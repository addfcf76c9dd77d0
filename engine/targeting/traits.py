"""Traits: what is known of each customer over the whole history, one documented column each.

The formulas are told here and computed by `engine.storage.trait_sql`; a test holds that both name the same traits.
Windows are `(now - window, now]`. Money is in minor units of the shop's currency. What nobody said or did is null.
Declared traits come from the shop's own documents and are never inferred.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.expression import Kind

#: Days that windows reach back; each counted trait comes once a window.
WINDOWS = (7, 30, 90, 365)
#: The interests that are kept of a customer, strongest first.
MOST_INTERESTS = 5


@dataclass(frozen=True, slots=True)
class Trait:
    """`window` in days, None for the whole history. `group` is the part of the portrait that shows it."""

    name: str
    kind: Kind
    group: str
    unit: str
    meaning: str
    formula: str
    window: int | None = None


def _windowed(prefix: str, group: str, unit: str, meaning: str, formula: str) -> Iterator[Trait]:
    for days in WINDOWS:
        yield Trait(f"{prefix}_{days}d", "number", group, unit, f"{meaning} in {days} days.", formula, days)


TRAITS: tuple[Trait, ...] = (
    # What the shop said of the customer.
    Trait("region", "text", "declared", "", "Where the customer lives.", "the user document's region"),
    Trait("zone", "text", "declared", "", "The customer's time zone.", "the user document's zone"),
    Trait("gender", "text", "declared", "", "Gender, as declared.", "the user document's gender"),
    Trait("age_band", "text", "declared", "", "Age band, as declared.", "the user document's age_band"),
    Trait("birthday", "text", "declared", "date", "Birthday, as declared.", "the user document's birthday"),
    Trait("days_to_birthday", "number", "declared", "days", "Days until the next birthday, 0 on the day.",
          "next birthday in the shop's zone - today; of 29 February, the 28th where there is none"),
    Trait("household", "text", "declared", "", "Household, as declared.", "attributes.household, household_size"),
    Trait("personalization", "text", "declared", "", "off: no list and no offer by what the customer did.",
          "attributes.personalization"),
    Trait("minor", "flag", "declared", "", "Under 14 years old.",
          "by the birthday; else the upper number of age_band is below 14"),
    Trait("subscribed", "flag", "declared", "", "Whether messages are welcome; null: never said.",
          "the last of subscribe and unsubscribe"),
    Trait("tags", "texts", "declared", "", "The shop's own labels.", "attributes.tags, a list of texts"),
    # When, and how often, the customer is there.
    Trait("first_seen_at", "time", "activity", "", "The first event.", "min(time)"),
    Trait("last_seen_at", "time", "activity", "", "The last event.", "max(time)"),
    Trait("days_since_seen", "number", "activity", "days", "Days since the last event.", "now - last_seen_at"),
    Trait("tenure_days", "number", "activity", "days", "Days since the first event.", "now - first_seen_at"),
    *_windowed("visits", "activity", "visits", "Visits", "sessions that began in the window"),
    *_windowed("views", "activity", "views", "Product pages seen", "count(view)"),
    Trait("searches_90d", "number", "activity", "searches", "Searches in 90 days.", "count(search)", 90),
    Trait("cart_adds_90d", "number", "activity", "events", "Things put into the cart in 90 days.",
          "count(cart_add)", 90),
    Trait("wishlist_adds_365d", "number", "activity", "events", "Things saved in 365 days.",
          "count(wishlist_add)", 365),
    Trait("check_ins_90d", "number", "activity", "events", "Check-ins in 90 days.", "count(check_in)", 90),
    Trait("activities_365d", "number", "activity", "events", "Activities of the shop joined in 365 days.",
          "count(activity)", 365),
    Trait("shares_365d", "number", "activity", "events", "Items shared in 365 days.", "count(share)", 365),
    Trait("referrals", "number", "activity", "people", "People who joined through the customer.", "count(referral)"),
    Trait("conversion_90d", "number", "activity", "share", "Share of the visits of 90 days with a purchase.",
          "visits with a purchase / visits", 90),
    Trait("favourite_hour", "number", "activity", "hour", "The hour of the day with most events, 0 to 23.",
          "argmax over hours of count, shop's zone, 365 days", 365),
    Trait("favourite_weekday", "number", "activity", "weekday", "The weekday with most events, 1 is Monday.",
          "argmax over weekdays of count, shop's zone, 365 days", 365),
    Trait("weekend_share", "number", "activity", "share", "Share of the events on Saturday and Sunday.",
          "count(weekend) / count, shop's zone, 365 days", 365),
    Trait("channel", "text", "activity", "", "The channel used most.", "argmax of count by properties.channel"),
    Trait("device", "text", "activity", "", "The device used most.", "argmax of count by properties.device"),
    Trait("cart_items", "number", "activity", "items", "Items left in the cart.",
          "items whose last word in 30 days is cart_add, not cart_remove or purchase", 30),
    Trait("cart_left_at", "time", "activity", "", "When the last of them was put there.", "max(time) of those", 30),
    # What the customer buys.
    Trait("orders", "number", "orders", "orders", "Orders ever.", "count(distinct order_id)"),
    *_windowed("orders", "orders", "orders", "Orders", "count(distinct order_id)"),
    Trait("spend", "number", "orders", "money", "Paid ever.", "sum(purchase.amount)"),
    *_windowed("spend", "orders", "money", "Paid", "sum(purchase.amount)"),
    Trait("returned_365d", "number", "orders", "money", "Sent back in 365 days.", "sum(return.amount)", 365),
    Trait("first_order_at", "time", "orders", "", "The first order.", "min(time of purchase)"),
    Trait("last_order_at", "time", "orders", "", "The last order.", "max(time of an order's first line)"),
    Trait("days_since_order", "number", "orders", "days", "Days since the last order.", "now - last_order_at"),
    Trait("basket_value", "number", "orders", "money", "Mean value of an order.", "spend / orders"),
    Trait("basket_pieces", "number", "orders", "pieces", "Mean number of pieces in an order.", "pieces / orders"),
    Trait("order_interval_days", "number", "orders", "days", "Mean time between two orders.",
          "(last_order_at - first_order_at) / (orders - 1)"),
    Trait("order_regularity", "number", "orders", "0 to 1", "How even the intervals are; 1 is like a clock.",
          "1 / (1 + standard deviation of the intervals / their mean), from three orders on"),
    Trait("due_in_days", "number", "orders", "days", "Days until the next order is due; negative is overdue.",
          "last_order_at + order_interval_days - now"),
    Trait("discount_share_365d", "number", "orders", "share", "Part of the list price that discounts took.",
          "1 - sum(amount) / sum(list_amount)", 365),
    Trait("return_rate_365d", "number", "orders", "share", "Pieces sent back of those bought in 365 days.",
          "pieces returned / pieces bought", 365),
    Trait("items_bought", "number", "orders", "items", "Different items ever bought.", "count(distinct item_id)"),
    # What the customer likes.
    Trait("interests", "texts", "interests", "", "Categories of interest, strongest first, at most five.",
          "sum over events of 365 days of type weight x 0.5^(age / type half-life), by the item's most specific "
          "category, aged until the customer's last event; a search for a category's name counts for it", 365),
    Trait("interest_evidence", "text", "interests", "JSON", "What each interest rests on.",
          "views, searches, carts and purchases of the category, and its score"),
    Trait("favourite_category", "text", "interests", "", "The category with the largest spend in 365 days.",
          "argmax of sum(amount) by most specific category", 365),
    Trait("favourite_category_share", "number", "interests", "share", "Its part of the spend.",
          "its sum(amount) / sum(amount)", 365),
    Trait("favourite_brand", "text", "interests", "", "The brand with the largest spend in 365 days.",
          "argmax of sum(amount) by brand", 365),
    Trait("favourite_brand_share", "number", "interests", "share", "Its part of the spend.",
          "its sum(amount) / sum(amount)", 365),
    Trait("price_level", "number", "interests", "0 to 1", "How dear what is bought is within its category.",
          "mean over pieces of the price's rank in the category", 365),
    Trait("price_band", "text", "interests", "", "low, middle or high: thirds of price_level.",
          "price_level < 1/3, < 2/3, else", 365),
    # What the customer told us.
    Trait("ratings_365d", "number", "feedback", "answers", "Ratings, surveys and reviews with a sentiment.",
          "count of rating, survey, review with sentiment", 365),
    Trait("satisfaction", "number", "feedback", "0 to 1", "Mean of what was answered in 365 days.",
          "mean of value / scale, score / scale and (sentiment + 1) / 2", 365),
    Trait("returns_365d", "number", "feedback", "returns", "Things sent back.", "count(return)", 365),
    Trait("complaints_90d", "number", "feedback", "complaints", "Complaints in 90 days.",
          "count(complaint_opened)", 90),
    Trait("complaints_365d", "number", "feedback", "complaints", "Complaints in 365 days.",
          "count(complaint_opened)", 365),
    Trait("complaints_open", "number", "feedback", "complaints", "Complaints not closed yet.",
          "complaint_ids whose last word is complaint_opened"),
    Trait("late_deliveries_365d", "number", "feedback", "orders", "Deliveries after the promised time.",
          "count(delivered with delivered_at > promised_at)", 365),
    # Where the customer came from.
    Trait("first_source", "text", "source", "", "Where the first visit that names a source came from.",
          "source of the earliest event with one"),
    Trait("first_campaign", "text", "source", "", "Its campaign.", "properties.campaign of that event"),
    Trait("last_source", "text", "source", "", "Where the last visit that names a source came from.",
          "source of the latest event with one"),
    Trait("last_campaign", "text", "source", "", "Its campaign.", "properties.campaign of that event"),
    Trait("coupons_seen_365d", "number", "coupons", "coupons", "Coupons looked at.", "count(coupon_view)", 365),
    Trait("coupons_used_365d", "number", "coupons", "coupons", "Coupons used.",
          "count(coupon_redeem), or orders with a coupon_code where that is more", 365),
    # How the customer stands among all.
    Trait("spend_rank", "number", "standing", "0 to 1", "Share of the buyers of 365 days who spent less.",
          "percent_rank of spend_365d among those with orders_365d > 0", 365),
    Trait("orders_rank", "number", "standing", "0 to 1", "Share of the buyers of 365 days who ordered less often.",
          "percent_rank of orders_365d among those with orders_365d > 0", 365),
    Trait("rfm_recency", "number", "standing", "1 to 5", "Fifth of the buyers by the last order; 5 is latest.",
          "ntile(5) by last_order_at, ties by user", 365),
    Trait("rfm_frequency", "number", "standing", "1 to 5", "Fifth of the buyers by orders; 5 is most.",
          "ntile(5) by orders_365d, ties by user", 365),
    Trait("rfm_money", "number", "standing", "1 to 5", "Fifth of the buyers by spend; 5 is most.",
          "ntile(5) by spend_365d, ties by user", 365),
)  # fmt: skip

TRAIT: Mapping[str, Trait] = {each.name: each for each in TRAITS}
#: The names and kinds that rules are checked against.
TRAIT_FIELDS: Mapping[str, Kind] = {each.name: each.kind for each in TRAITS}
#: Traits that move with the clock alone; they are computed when they are read.
OF_THE_CLOCK = ("minor", "days_to_birthday", "days_since_seen", "tenure_days", "days_since_order", "due_in_days")
#: Traits that depend on everybody; computed once a refresh.
OF_ALL = ("spend_rank", "orders_rank", "rfm_recency", "rfm_frequency", "rfm_money")
