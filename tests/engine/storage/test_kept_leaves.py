"""Kept leaves: memberships that are followed step by step are those that a look at everything finds."""

import random
from datetime import timedelta

import pytest

from engine.storage.customer_files import CustomerFiles
from engine.storage.customer_refresh import refresh_customers
from engine.storage.home import Home
from engine.storage.memberships import Rule
from engine.storage.segment_sql import members_sql
from engine.targeting.segment_json import parse_rule_json
from engine.targeting.segment_text import parse_rule
from engine.targeting.segments import Words
from engine.targeting.traits import TRAIT_FIELDS
from tests.engine.storage.shoppers import NOW, Shoppers, order
from tests.engine.targeting.segment_shop import THINGS, WORDS, some_event, some_happening, some_sequence

PEOPLE = 40


@pytest.fixture
def shop(tmp_path):
    return Shoppers(Home(tmp_path))


def some_rules(dice, number):
    """Rules over events and shares, some of which name others; no traits, whose names are another shop's."""

    def leaf():
        bucket = {"bucket": {"salt": dice.choice("xy"), "from": 0, "to": dice.uniform(0.3, 0.9)}}
        return dice.choice((some_event, some_event, some_sequence, lambda _: bucket))(dice)

    def rule(place):
        parts = [leaf() for _ in range(dice.randint(1, 3))]
        if place and dice.random() < 0.3:
            parts.append({"segment": f"r{dice.randrange(place)}"})
        joined = {dice.choice(("all", "any")): parts}
        return {"not": joined} if dice.random() < 0.2 else joined

    return [Rule(f"r{place}", 1, parse_rule_json(rule(place), WORDS)) for place in range(number)]


def something_happened(shop, dice, users, events):
    told = []
    for _ in range(events):
        each = some_happening(dice, lambda value: None if dice.random() < 0.2 else value)
        names = ("quantity", "amount", "list_amount", "order_id", "session_id", "source", "coupon_code", "properties")
        more = {name: getattr(each, name) for name in names} | {"item_id": each.item.item_id if each.item else None}
        told.append((dice.choice(users), each.type, (NOW - each.time) / timedelta(days=1), more))
    shop.happened(*told)


def sells(shop, things):
    columns = {"category": "categories", "brand": "brand", "tags": "tags", "price": "price"}
    shop.sells(**{each.item_id: {to: getattr(each, name) for name, to in columns.items()} for each in things})


def followed(shop, rules, now):
    done = refresh_customers(shop.home, now=now, zone="UTC", rules=rules)
    with CustomerFiles(shop.home).reading(now) as sql:
        rows = sql.execute("SELECT segment, user_id FROM memberships JOIN people USING (person)").fetchall()
    assert len(rows) == len(set(rows))
    sizes = {each.segment: each.size for each in done.changes}
    found = {rule.segment: {user for segment, user in rows if segment == rule.segment} for rule in rules}
    assert sizes == {segment: len(users) for segment, users in found.items()}
    return found


def looked_up(shop, rules, now):
    """What each rule finds all by itself, over the memberships that are published."""
    moment = NOW + timedelta(seconds=now - NOW.timestamp())
    with CustomerFiles(shop.home).reading(now) as sql:
        return {
            rule.segment: {
                user
                for (user,) in sql.execute(
                    f"SELECT user_id FROM people SEMI JOIN ({members_sql(rule.select, moment)}) USING (person)"
                ).fetchall()
            }
            for rule in rules
        }


@pytest.mark.parametrize("seed", range(4))
def test_step_by_step_is_the_same_as_all_at_once(shop, seed):
    dice = random.Random(seed)
    rules = some_rules(dice, 12)
    users = [f"u{number}" for number in range(PEOPLE)]
    sells(shop, THINGS[:4])
    something_happened(shop, dice, users, 300)
    now = NOW.timestamp()
    for step in range(6):
        assert followed(shop, rules, now) == looked_up(shop, rules, now), step
        now += dice.choice((1.0, 3_600.0, 86_400.0))
        something_happened(shop, dice, dice.sample([*users, "new"], 2), dice.randint(1, 4))
        if step == 1:
            sells(shop, [THINGS[4]])
        if step == 3:
            rules = [*rules[2:8], *some_rules(random.Random(seed + 100), 14)[8:]]


def test_a_refresh_without_rules_in_between_leaves_nothing_stale(shop):
    rules = [Rule("bought", 1, parse_rule("orders(7d) >= 1", Words(TRAIT_FIELDS)))]
    shop.happened(*(order(f"u{number}", 30, 100) for number in range(PEOPLE)), order("v", 6.5, 100))
    assert followed(shop, rules, NOW.timestamp()) == {"bought": {"v"}}
    shop.happened(order("u1", 0, 100))
    shop.refreshed(days_later=1)
    later = NOW.timestamp() + 86_400 + 1
    assert followed(shop, rules, later) == {"bought": {"u1"}}


def test_an_item_that_moves_to_another_category_moves_those_who_bought_it(shop):
    rules = [Rule("toys", 1, parse_rule('bought(category = "TOYS", 30d)', Words(TRAIT_FIELDS)))]
    shop.sells(a={"categories": ["FOOD"]}, b={"categories": ["FOOD"]})
    shop.happened(*(order(f"u{number}", 1, 100, item="b") for number in range(PEOPLE)), order("v", 1, 100, item="a"))
    assert followed(shop, rules, NOW.timestamp()) == {"toys": set()}
    shop.sells(a={"categories": ["TOYS"]})
    assert followed(shop, rules, NOW.timestamp() + 1) == {"toys": {"v"}}


def test_who_is_deleted_is_in_no_segment_and_whoever_comes_back_is(shop):
    rules = [Rule("bought", 1, parse_rule("orders(7d) >= 1", Words(TRAIT_FIELDS)))]
    shop.happened(*(order(f"u{number}", 30, 100) for number in range(PEOPLE)), order("v", 1, 100))
    shop.knows(v={"region": "north"})
    now = NOW.timestamp()
    assert followed(shop, rules, now) == {"bought": {"v"}}
    shop.knows(v={"deleted": True})
    assert followed(shop, rules, now + 1) == {"bought": set()}
    shop.knows(v={"deleted": False})
    assert followed(shop, rules, now + 2) == {"bought": {"v"}}


def test_many_changes_are_joined_with_the_others_and_nobody_enters_anew(shop):
    rules = [Rule("bought", 1, parse_rule("orders(7d) >= 1", Words(TRAIT_FIELDS)))]
    shop.happened(*(order(f"u{number}", 1, 100) for number in range(PEOPLE)))
    followed(shop, rules, NOW.timestamp())
    for day in (1, 2, 3):
        shop.happened(*(order(f"w{day}-{number}", -day, 100) for number in range(PEOPLE)))
        followed(shop, rules, NOW.timestamp() + day * 86_400)
    rows = shop.lake.query("SELECT count(*) AS n, count(DISTINCT user_id) AS users FROM memberships").to_pylist()
    assert rows == [{"n": 4 * PEOPLE, "users": 4 * PEOPLE}]
