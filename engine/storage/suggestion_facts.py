"""What suggestions rest on: sizes, reach and orders of audiences, active offers, and what past campaigns brought."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from engine.errors import UnknownThing
from engine.storage.customer_clusters import stored
from engine.storage.customer_files import CustomerFiles
from engine.storage.home import Home
from engine.storage.lake_sql import one_row, quoted
from engine.storage.ledger import LedgerPool, connection_of, rows_of
from engine.storage.offer_ledger import list_offers
from engine.storage.past_campaigns import past_redemptions
from engine.storage.segment_reach import Channel, reach_sql
from engine.storage.segment_sql import members_sql
from engine.targeting.cluster_rules import cluster_rule
from engine.targeting.groups import Group, group_of, groups
from engine.targeting.offers import Offer, checked_offer
from engine.targeting.segment_json import parse_rule_json
from engine.targeting.segments import Words
from engine.targeting.suggestion_goals import WINDOW_DAYS, everybody_for, goal_of
from engine.targeting.suggestions import Audience, Evidence, Outcome, Proposal, Wish, suggest
from engine.targeting.traits import TRAIT_FIELDS

_MOST_OFFERS = 50


@dataclass(frozen=True, slots=True)
class _Idea:
    name: str
    kind: str
    meaning: str
    audience: Mapping[str, Any]
    rule: Mapping[str, Any]


def suggest_campaigns(
    home: Home, ledger: LedgerPool, wish: Wish, *, now: float, thresholds: Mapping[str, float]
) -> tuple[Proposal, ...]:
    """Ranked proposals for what a marketer wishes, as of `now` (epoch seconds); nothing is stored or sent.

    UnknownThing for an item that the shop does not have, NotEnoughData before the customers were computed, BadInput for
    a wish that cannot be.
    """
    goal_of(wish.goal, item=wish.item_id, category=wish.category)
    sent, redeemed = past_redemptions(ledger)
    with CustomerFiles(home).reading(now, memory="2GB") as sql:
        if wish.item_id is not None:
            wish = replace(wish, category=_category(sql, wish.item_id) or wish.category)
        audiences = [_measured(sql, each, wish, now) for each in _ideas(home, wish, thresholds)]
        basket = _basket(sql)
    evidence = Evidence(basket, sent, redeemed, measured_outcomes(ledger, basket))
    return suggest(wish, audiences, _active_offers(ledger), evidence)


def usual_basket(home: Home, now: float) -> float | None:
    """The mean order of the whole shop, minor units; None before the first."""
    with CustomerFiles(home).reading(now) as sql:
        return _basket(sql)


def _basket(sql: Any) -> float | None:
    found: float | None = one_row(sql, "SELECT avg(basket_value) FROM traits")[0]
    return found


def measured_outcomes(ledger: LedgerPool, basket: float | None) -> tuple[Outcome, ...]:
    """What finished campaigns changed against their own holdouts, where their figures can be trusted.

    Left out are those whose windows are not over, or whose arms are not as drawn.
    """
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            "SELECT document->>'goal', figures FROM campaigns WHERE state = 'completed' AND document->>'goal' IS NOT"
            " NULL AND figures->>'control' = 'holdout' AND (figures->>'windows_over')::float8 >= 1"
            " AND NOT (figures->'sample_ratio'->>'alarm')::boolean ORDER BY campaign_id",
        )
    found = []
    for goal, figures in rows:
        orders = next((each["each"] for each in figures["effects"] if each["measure"] == "orders"), None)
        if orders is not None and orders["value"] is not None:
            found.append(Outcome(goal, orders["value"], orders["error"], _depth(figures["totals"], basket)))
    return tuple(found)


def _depth(totals: Mapping[str, Any], basket: float | None) -> float:
    """What a redemption took off, as part of the shop's usual basket; 0 where nothing was redeemed."""
    treated = totals["treatment"]
    if not basket or not treated["redeemed"]:
        return 0.0
    return float(min(treated["cost"] / treated["redeemed"] / basket, 1.0))


def _ideas(home: Home, wish: Wish, thresholds: Mapping[str, float]) -> list[_Idea]:
    goal = goal_of(wish.goal, item=wish.item_id, category=wish.category)
    ready = {each.id: each for each in groups(thresholds)}
    fitting = [_of_group(ready[name], {"segment": name}) for name in goal.groups]
    if goal.needs is None:
        rule = {"any": [each.rule for each in fitting]}
        together = _Idea(
            everybody_for(wish.goal), "group", f"{goal.meaning} All whom that is about.", {"rule": rule}, rule
        )
        return [*fitting, together, *_clusters(home, fitting)]
    if wish.category is None:
        return fitting
    liked = group_of("interest", wish.category)
    meaning = f"{wish.category} is among their strongest interests."
    both = [
        _Idea(f"{liked.id} and {each.name}", "item" if wish.item_id else "category", f"{meaning} {each.meaning}",
              {"rule": rule}, rule)
        for each in fitting
        for rule in [{"all": [liked.rule, each.rule]}]
    ]  # fmt: skip
    everybody = replace(_of_group(liked, {"rule": liked.rule}), meaning=meaning)
    return [everybody, *both]


def _clusters(home: Home, fitting: Sequence[_Idea]) -> Iterator[_Idea]:
    """The part of each learned cluster that the goal is about."""
    clusters = stored(home)
    if clusters is None:
        return
    for number in range(len(clusters.centres)):
        inside = cluster_rule(clusters, number)
        if inside is not None:
            rule = {"all": [inside, {"any": [each.rule for each in fitting]}]}
            meaning = f"A learned cluster: {clusters.words(number)}."
            yield _Idea(f"cluster {number}", "cluster", meaning, {"rule": rule}, rule)


def _of_group(group: Group, audience: Mapping[str, Any]) -> _Idea:
    return _Idea(group.id, "group", group.meaning, audience, group.rule)


def _measured(sql: Any, idea: _Idea, wish: Wish, now: float) -> Audience:
    # What is sent on this very day does not speak against a campaign of the next weeks.
    reason, joins = reach_sql(Channel(wish.channel, datetime.fromtimestamp(now, UTC).date()))
    select = members_sql(parse_rule_json(idea.rule, Words(TRAIT_FIELDS)), datetime.fromtimestamp(now, UTC))
    ((size, reachable, basket, base),) = sql.execute(
        f"SELECT count(*), count(*) FILTER (reached), avg(basket_value) FILTER (reached),"
        # Orders of a year, spread evenly: too many for those who left, which makes their offers dearer, not cheaper.
        f" avg(1 - exp(-coalesce(orders_365d, 0) * {WINDOW_DAYS} / 365.0)) FILTER (reached)"
        f" FROM (SELECT *, ({reason}) IS NULL AS reached FROM (SELECT DISTINCT person FROM ({select}))"
        f" LEFT JOIN traits USING (person){joins})"
    ).fetchall()
    return Audience(idea.name, idea.kind, idea.meaning, idea.audience, size, reachable, basket, base or 0.0)


def _category(sql: Any, item_id: str) -> str | None:
    """The item's most specific category."""
    found = sql.execute(f"SELECT categories FROM things WHERE item_id = {quoted(item_id)} LIMIT 1").fetchall()
    if not found:
        raise UnknownThing(f"item_id: {item_id[:100]!a} is none of the shop's", field="item_id")
    categories = found[0][0] or []
    return str(categories[-1]) if categories else None


def _active_offers(ledger: LedgerPool) -> list[Offer]:
    found: list[Offer] = []
    after = ""
    while len(found) < _MOST_OFFERS and (page := list_offers(ledger, after=after)):
        found += [checked_offer(dict(each.terms)) for each in page if each.state == "active"]
        after = page[-1].offer_id
    return found[:_MOST_OFFERS]
