"""The ready-made groups: they exclude each other, and are told in two languages."""

import random
from collections import Counter
from datetime import date

import pytest

from engine.errors import BadInput
from engine.targeting.calendar import holidays
from engine.targeting.groups import ACTIONS, DIMENSIONS, group_of, groups
from engine.targeting.traits import TRAIT_FIELDS
from engine.thresholds import THRESHOLDS, read_thresholds

DEFAULT = read_thresholds("")


def holds(rule, row):
    """A rule over traits alone, as slowly and plainly as it can be told."""
    if "all" in rule:
        return all(holds(each, row) for each in rule["all"])
    if "any" in rule:
        return any(holds(each, row) for each in rule["any"])
    if "not" in rule:
        return not holds(rule["not"], row)
    value, wanted = row[rule["trait"]], rule.get("value")
    if rule["op"] == "is null":
        return value is None
    if value is None:
        return False
    return {
        "=": lambda: value == wanted,
        "<": lambda: value < wanted,
        "<=": lambda: value <= wanted,
        ">": lambda: value > wanted,
        ">=": lambda: value >= wanted,
        "in": lambda: value in wanted,
        "has": lambda: wanted in value,
    }[rule["op"]]()


def somebody(draw):
    """A customer whose traits go together."""
    row = dict.fromkeys(TRAIT_FIELDS)
    for name, kind in TRAIT_FIELDS.items():
        if kind == "number" and not name.startswith(("rfm", "spend_rank", "days", "tenure", "satisf")):
            row[name] = draw.choice([0, 1, 2, 5, 20])
    row["orders"] = max(row["orders"], row["orders_365d"])
    if draw.random() < 0.9:
        row["tenure_days"] = draw.choice([1, 29, 31, 100, 400])
        row["days_since_seen"] = draw.uniform(0, row["tenure_days"])
    if row["orders"]:
        row["days_since_order"] = draw.choice([1, 100, 200])
    if row["orders_365d"]:
        row["spend_rank"] = draw.random()
        row.update({f"rfm_{name}": draw.randint(1, 5) for name in ("recency", "frequency", "money")})
    row["satisfaction"] = draw.choice([None, 0.2, 0.6, 0.9])
    row["first_source"] = draw.choice([None, "organic", "paid", "social", "referral", "direct"])
    return row


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_nobody_is_in_two_groups_of_a_dimension(dimension):
    mine, draw = [each for each in groups(DEFAULT) if each.dimension == dimension], random.Random(5)
    found = Counter()
    for _ in range(3_000):
        row = somebody(draw)
        fitting = [each.id for each in mine if holds(each.rule, row)]
        assert len(fitting) <= 1, (fitting, row)
        found.update(fitting)
    assert set(found) == {each.id for each in mine} or dimension == "care"


@pytest.mark.parametrize("dimension", ["feedback", "lifecycle"])
def test_everybody_who_was_seen_is_in_a_group_of(dimension):
    mine, draw = [each for each in groups(DEFAULT) if each.dimension == dimension], random.Random(6)
    for _ in range(3_000):
        row = somebody(draw)
        assert any(holds(each.rule, row) for each in mine), row


def test_every_group_is_told_in_english_and_chinese_with_known_actions():
    for each in groups(DEFAULT):
        assert set(each.name) == {"en", "zh"}
        assert set(each.actions) <= set(ACTIONS)
        assert each.dimension in DIMENSIONS


def test_thresholds_can_be_told_and_move_the_groups():
    moved = read_thresholds("high_orders=3, middle_orders=2")
    (high,) = [each for each in groups(moved) if each.id == "frequency.high"]
    assert holds(high.rule, {**dict.fromkeys(TRAIT_FIELDS), "orders_365d": 3})
    assert {each.name for each in THRESHOLDS} == set(moved)


@pytest.mark.parametrize("text", ["hihg_orders=3", "high_orders=many", "high_orders=-1", "high_orders=nan"])
def test_a_threshold_that_cannot_be_is_refused(text):
    with pytest.raises(ValueError, match=r"threshold|could not convert"):
        read_thresholds(text)


def test_regions_and_interests_are_groups_of_any_value():
    assert holds(group_of("interest", "Milk").rule, {"interests": ["Bread", "Milk"]})
    assert holds(group_of("region", "湖北").rule, {"region": "湖北"})
    with pytest.raises(BadInput, match="dimension"):
        group_of("shoe size", "42")


def test_the_next_holidays_are_told_across_the_end_of_the_year():
    assert [each.id for each in holidays(date(2026, 12, 20), days=30)] == ["christmas", "new_year"]
    assert [each.id for each in holidays(date(2026, 11, 11), days=1)] == ["double_11"]
    assert "spring_festival" in [each.id for each in holidays(date(2027, 2, 1), days=10)]
