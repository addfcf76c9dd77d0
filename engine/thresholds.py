"""Thresholds of the ready-made groups: one table, and how a shop tells others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Threshold:
    name: str
    default: float
    unit: str
    meaning: str


THRESHOLDS = (
    Threshold("high_orders", 12, "orders in 365 days", "From so many on a customer orders often."),
    Threshold("middle_orders", 4, "orders in 365 days", "From so many on a customer orders now and then."),
    Threshold("high_spend", 0.8, "share of buyers", "Who spends more than this share of the buyers spends much."),
    Threshold("middle_spend", 0.5, "share of buyers", "Who spends more than this share of the buyers: middle."),
    Threshold("high_value", 0.95, "share of buyers", "Who spends more than this share of the buyers is of high value."),
    Threshold("dormant_days", 30, "days", "Not seen for longer: dormant."),
    Threshold("churned_days", 90, "days", "Not seen for longer: churned."),
    Threshold("satisfied", 0.75, "0 to 1", "Satisfaction from which on a customer is satisfied."),
    Threshold("dissatisfied", 0.5, "0 to 1", "Satisfaction below which a customer is dissatisfied."),
    Threshold("many_returns", 0.5, "share of pieces", "Who sends back more of what was bought is dissatisfied."),
    Threshold("least_returns", 2, "returns in 365 days", "Fewer returns do not count as many."),
    Threshold("rfm_high", 4, "fifth", "From this fifth on recency, frequency or money count as high."),
    Threshold("new_days", 30, "days", "Who has not ordered is acquired for so long, then nurtured."),
    Threshold("lapsed_days", 180, "days", "Buyers without an order, others without a visit for longer: lapsed."),
    Threshold("loyal_orders", 2, "orders in 365 days", "From so many on a customer is loyal (AIPL)."),
    Threshold("interested_views", 2, "views in 30 days", "From so many on a customer is interested (AIPL)."),
    Threshold("birthday_days", 7, "days", "So long before a birthday it is time to think of it."),
)


def read_thresholds(text: str) -> dict[str, float]:
    """Thresholds in force: the defaults, and `name=value` by commas; ValueError says what is wrong."""
    found = {each.name: each.default for each in THRESHOLDS}
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, _, value = part.partition("=")
        if name not in found:
            raise ValueError(f"there is no threshold {name!r}")
        found[name] = float(value)
        if not 0 <= found[name] < 1e9:
            raise ValueError(f"{part!r}: a threshold is a number from 0 on")
    return found
