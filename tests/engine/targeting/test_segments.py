"""Segment rules: SQL, the one-user function and the reference agree; JSON and text are one; mistakes are placed."""

from __future__ import annotations

import random
import time
from datetime import timedelta

import pytest

from engine.errors import BadInput
from engine.storage.lake_sql import open_sql
from engine.storage.segment_sql import members_sql
from engine.targeting.segment_json import parse_rule_json, rule_to_json
from engine.targeting.segment_one import Happening, Person, decide, explain
from engine.targeting.segment_text import parse_rule, parse_rule_text, rule_to_text
from engine.targeting.segments import in_order, needs, windows_of
from tests.engine.targeting.segment_reference import is_in
from tests.engine.targeting.segment_shop import NOW, TYPES, WORDS, lay_out, some_person, some_rule

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def people():
    dice = random.Random(5)
    return [some_person(dice, number) for number in range(60)]


@pytest.fixture(scope="module")
def shop(people, tmp_path_factory):
    with open_sql(tmp_path_factory.mktemp("rules") / "spill") as sql:
        lay_out(sql, people)
        yield sql


def members(sql, rule, people):
    numbers = [row[0] for row in sql.execute(members_sql(rule, NOW)).fetchall()]
    assert len(numbers) == len(set(numbers))
    return {people[each].user_id for each in numbers}


@pytest.mark.parametrize("seed", range(8))
def test_everyone_one_user_and_the_reference_agree(shop, people, seed):
    dice = random.Random(seed)
    for _ in range(50):
        rule = parse_rule_json(some_rule(dice), WORDS)
        told = rule_to_json(rule)
        expected = {each.user_id for each in people if is_in(told, each, NOW)}
        assert {each.user_id for each in people if decide(rule, each, NOW)} == expected, rule_to_text(rule)
        assert members(shop, rule, people) == expected, rule_to_text(rule)


@pytest.mark.parametrize("seed", range(4))
def test_json_and_text_are_one_tree(seed):
    dice = random.Random(seed)
    for _ in range(250):
        rule = parse_rule(some_rule(dice), WORDS)
        assert parse_rule(rule_to_json(rule), WORDS) == rule
        assert parse_rule(rule_to_text(rule), WORDS) == rule
        assert rule_to_text(parse_rule_text(rule_to_text(rule), WORDS)) == rule_to_text(rule)


def test_every_explanation_rests_on_a_leaf(people):
    dice = random.Random(7)
    for _ in range(50):
        rule = parse_rule(some_rule(dice), WORDS)
        for person in people[:10]:
            told = explain(rule, person, NOW)
            assert told.held == decide(rule, person, NOW)
            assert any(each.decided for each in told.leaves)


@pytest.mark.parametrize(
    "text",
    [
        'spend(90d) >= 200 and not bought(category = "PASTRY", 30d)',
        'viewed(brand = "Acme" or price > 3, 1d12h) or days_since(view) > 30',
        'orders(since "2026-01-01T00:00:00Z", until "2026-02-01T00:00:00Z") = 2',
        'then(cart_add(tags has "bio", 7d), not purchase(), 2d)',
        "then(cart_add(), purchase())",
        'last(purchase.source) = "paid" and avg(rating.properties.stars, 90d) >= 4.5',
        "max(`rating.properties.odd name`) < 3 and count(purchase, amount > 3) >= 1.0",
        "first(purchase, 30d) and did(cart_add, quantity >= 2)",
        'prediction("churn") >= 0.7 or segment("s \\"1") or share("x", 0.0, 0.1)',
        'region = "Hubei" and tags has "a" and vip = true and tier is null',
    ],
)
def test_the_text_is_printed_as_it_was_read(text):
    assert rule_to_text(parse_rule_text(text, WORDS)) == text


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("vip", 3),
        ("wip = true", 0),
        ("spent(90d) > 3", 0),
        ("spend(90d)", 10),
        ("spend(0d) > 3", 6),
        ("spend(3650d) > 3", 6),
        ("spend(10y) > 3", 6),
        ("spend(90d, 30d) > 3", 11),
        ('spend(90d) > "x"', 0),
        ("count(purchse) > 3", 6),
        ("bought(colour = 1)", 7),
        ('bought(amount > "x")', 7),
        ('bought(properties.x < "2026-01-01T00:00:00Z")', 7),
        ("bought(amount > 1, amount > 2)", 19),
        ("sum(purchase.source) > 3", 0),
        ("first(purchase)", 0),
        ("then(purchase(), view(30d))", 0),
        ("then(purchase(), view(), 0m)", 25),
        ('since "2026"', 6),
        ('bought(since "2026")', 7),
        ('share("x", 0.2, 0.1)', 0),
        ("days_since(view) = 3", 0),
        ("days_since(view) > 4000", 0),
        ("prediction(3) > 0.5", 0),
        ('prediction("shurn") > 0.5', 0),
        ("orders() not in (1)", 9),
        ("bought() and", 12),
        ("bought(90d", 10),
        ("(" * 200 + "vip = true" + ")" * 200, 32),
        ('joined > "yesterday"', 0),
        ('recency_days = "3"', 0),
    ],
)
def test_a_mistake_in_the_text_is_told_with_its_place(text, position):
    with pytest.raises(BadInput) as refused:
        parse_rule_text(text, WORDS)
    assert (refused.value.field, refused.value.position) == ("rule", position), refused.value.message


EVENT = {"type": "purchase"}


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        (None, "rule"),
        ({}, "rule"),
        ({"all": []}, "rule.all"),
        ({"all": [{"trait": "vip", "op": "=", "value": True}, 3]}, "rule.all[1]"),
        ({"not": {"trait": "wip", "op": "=", "value": True}}, "rule.not.trait"),
        ({"trait": "recency_days", "op": "<", "value": "30"}, "rule.trait"),
        ({"trait": "recency_days", "op": "<", "value": 30, "x": 1}, "rule.x"),
        ({"any": [{"event": {"type": "purchse"}}] * 2}, "rule.any[0].event.type"),
        ({"event": {**EVENT, "within": "P0D"}}, "rule.event.within"),
        ({"event": {**EVENT, "within": "P10Y"}}, "rule.event.within"),
        ({"event": {**EVENT, "within": "P3650D"}}, "rule.event.within"),
        ({"event": {**EVENT, "within": "P1D", "since": "2026-01-01T00:00:00Z"}}, "rule.event.within"),
        ({"event": {**EVENT, "since": "2026-01-01"}}, "rule.event.since"),
        ({"event": {**EVENT, "since": "0001-01-01T00:00:00+10:00"}}, "rule.event.since"),
        ({"event": {**EVENT, "where": {"field": "colour", "op": "=", "value": 1}}}, "rule.event.where"),
        ({"event": {**EVENT, "measure": "median"}}, "rule.event.measure"),
        ({"event": {**EVENT, "measure": "sum", "of": "source", "op": ">", "value": 1}}, "rule.event"),
        ({"event": {**EVENT, "measure": "sum", "of": 3, "op": ">", "value": 1}}, "rule.event.of"),
        ({"event": {**EVENT, "measure": "count", "op": ">=", "value": "3"}}, "rule.event"),
        ({"event": {**EVENT, "measure": "count", "op": ["="], "value": 3}}, "rule.event"),
        ({"event": {**EVENT, "first": 1}}, "rule.event.first"),
        ({"event": []}, "rule.event"),
        ({"sequence": {"did": EVENT, "then": {"type": "view", "within": "P1D"}}}, "rule.sequence.then"),
        ({"sequence": {"did": 3, "then": EVENT}}, "rule.sequence.did"),
        ({"sequence": {"did": EVENT, "then": EVENT, "absent": "no"}}, "rule.sequence.absent"),
        ({"segment": ""}, "rule.segment"),
        ({"segment": "a\0"}, "rule.segment"),
        ({"bucket": {"salt": "x", "from": 0, "to": 2}}, "rule.bucket"),
        ({"bucket": {"salt": "x", "from": float("nan"), "to": 1}}, "rule.bucket"),
        ({"prediction": "lapse", "op": ">", "value": 0.5}, "rule.prediction"),
        ({"all": [{"trait": "vip", "op": "=", "value": True}] * 501}, "rule"),
    ],
)
def test_a_mistake_in_json_is_told_with_its_path(rule, field):
    with pytest.raises(BadInput) as refused:
        parse_rule_json(rule, WORDS)
    assert refused.value.field == field, refused.value.message


def test_a_rule_that_nests_200_deep_is_refused():
    deep = {"trait": "vip", "op": "=", "value": True}
    for _ in range(200):
        deep = {"not": deep}
    with pytest.raises(BadInput, match="32 deep"):
        parse_rule_json(deep, WORDS)


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(BadInput, match="did you mean recency_days"):
        parse_rule_text("recensy_days > 3", WORDS)


def test_segments_that_name_each_other_in_a_circle_are_refused():
    rules = {name: parse_rule_text(f'segment("{other}")', WORDS) for name, other in ("ab", "bc", "cb", "de")}
    with pytest.raises(BadInput, match="b -> c -> b"):
        in_order(rules)
    del rules["c"]
    assert in_order(rules) == ("b", "a", "d")


def test_a_long_chain_of_segments_is_ordered():
    rules = {f"s{n}": parse_rule_text(f'segment("s{n + 1}")', WORDS) for n in range(3_000)}
    assert in_order(rules)[0] == "s2999"


def test_what_a_rule_needs_and_when_time_alone_changes_it():
    rule = parse_rule_text(
        'spend(90d) > 3 and (vip = true or then(view(7d), not purchase(), 2d)) and segment("x")'
        ' and days_since(rating) > 30 and prediction("churn") > 0.5 and not bought()',
        WORDS,
    )
    assert windows_of(rule) == {90 * DAY, 7 * DAY, 2 * DAY, 30 * DAY}
    found = needs(rule)
    assert (found.traits, found.segments, found.predictions) == ({"vip"}, {"x"}, {"churn"})
    assert found.event_types == {"purchase", "view", "rating"}


@pytest.mark.parametrize(("ago", "held"), [(timedelta(0), True), (7 * DAY, False), (-DAY, False)])
def test_a_window_excludes_its_start_and_includes_now(ago, held):
    rule = parse_rule_text("bought(7d)", WORDS)
    assert decide(rule, Person("u", happenings=[Happening("purchase", NOW - ago)]), NOW) is held


def test_who_is_waited_for_is_not_yet_late():
    rule = parse_rule_text("then(cart_add(7d), not purchase(), 2d)", WORDS)
    for ago, held in ((1.99, False), (2.0, True), (6.9, True), (7.0, False)):
        person = Person("u", happenings=[Happening("cart_add", NOW - ago * DAY)])
        assert decide(rule, person, NOW) is held, ago


def test_an_explanation_names_the_leaf_that_decided():
    rule = parse_rule_text('spend(90d) >= 200 and (region = "Hubei" or bought(30d))', WORDS)
    person = Person("u", {"region": "Hubei"}, happenings=[Happening("purchase", NOW - DAY, amount=150)])
    told = explain(rule, person, NOW)
    assert not told.held
    assert [(each.path, each.text, each.held, each.decided, each.seen) for each in told.leaves] == [
        ("all[0]", "spend(90d) >= 200", False, True, 150),
        ("all[1].any[0]", 'region = "Hubei"', True, False, "Hubei"),
        ("all[1].any[1]", "bought(30d)", True, False, 1),
    ]


def test_a_share_is_as_large_as_asked_and_neighbours_do_not_overlap():
    parts = [parse_rule_text(f'share("x", {start}, {end})', WORDS) for start, end in ((0, 0.1), (0.1, 0.4), (0.4, 1))]
    people = [Person(f"u{number}") for number in range(5_000)]
    held = [[decide(part, each, NOW) for part in parts] for each in people]
    assert all(sum(each) == 1 for each in held)
    assert 400 < sum(each[0] for each in held) < 600


def test_one_user_with_hundreds_of_events_is_decided_within_two_milliseconds():
    dice = random.Random(3)
    events = [
        Happening(dice.choice(TYPES), NOW - dice.random() * 100 * DAY, amount=dice.randint(1, 9_999))
        for _ in range(300)
    ]
    rule = parse_rule_text(
        'spend(90d) >= 10 and not bought(category = "PASTRY", 30d) and count(view, amount > 5, 90d) > 3'
        ' and then(cart_add(30d), purchase(), 2d) and not region = "x"',
        WORDS,
    )
    person = Person("u", happenings=events)
    spent = []
    for _ in range(20):
        begun = time.perf_counter()
        assert decide(rule, person, NOW)
        spent.append(time.perf_counter() - begun)
    assert min(spent) < 0.002
