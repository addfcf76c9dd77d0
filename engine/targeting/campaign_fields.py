"""What each field of a campaign's document means; the documentation is made of it."""

from __future__ import annotations

from collections.abc import Mapping

FIELDS: Mapping[str, str] = {
    "name": "What people call it.",
    "audience": '`{"segment": id}` (a ready-made group, too), `{"rule": ...}` as JSON or text,'
    ' `{"class": "classification/class"}` or `{"users": [...]}`, up to 10,000.',
    "channel": "storefront, email, webhook or file.",
    "goal": "A goal of suggestions; it gives planned offers their reason class.",
    "purpose": "What consent is asked for.",
    "offers": 'Offers by id, or `{"offer_id", "reason_class", "pieces"}`: why somebody gets it, and how many may.',
    "assignment": "random: drawn by the variants' shares. plan: who gets what is planned under the budget."
    " per-segment: one offer for each group of `segments_by`, and what that simplicity costs.",
    "variants": 'Of a draw: `{"variant", "share", "offer_id", "template"}`, shares that add up to 1; without them the'
    " offers in equal shares, or a message alone.",
    "template": '`{"subject", "text", "html"}` with Jinja\'s braces; a variant\'s own goes before it.',
    "holdout": "The part of the audience that is held out, up to 0.9.",
    "budget": "What discounts may cost, minor units; null: no limit, which somebody else must approve.",
    "quota": '`{"per": "hour" or "day", "amount"}`: so much of the budget is released at a time.',
    "margin": "The part of a price left after costs, if known.",
    "per_customer": "Offers a customer: 1, since a message carries one.",
    "least_share": "The part of each group of `segments_by` that a plan treats at least.",
    "segments_by": "The dimension of ready-made groups that reports and `per-segment` go by.",
    "trigger": '`{"on": ..., "again_after": "P30D"}`: customers join while it runs, when something happens.',
    "cap": '`{"messages": n, "per": "day"}`; null is the shop\'s.',
    "quiet": '`{"from": "22:00", "until": "08:00"}` where the customer lives; null is the shop\'s.',
    "priority": "Who speaks first where several campaigns would.",
    "exclusion_group": "Of campaigns with the same one a customer hears one at most.",
    "window_days": "Days in which it is expected to work, and of which the baselines before it are.",
    "justification": "Why prices may differ between groups by more than `HAWKER_PARITY`.",
    "starts_at": "A launch before it is scheduled.",
    "ends_at": "When it is completed.",
    "language": "en or zh.",
}
