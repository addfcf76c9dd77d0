"""The report: planted effects found, each part beside its own control, and sentences that say what is not known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from engine.targeting.campaign_members import Design, Later, Members, design_of, offers_of
from engine.targeting.campaign_report import as_asked, figures_of
from engine.targeting.report_words import number_text, sentences

NOW = 1_750_000_000.0
DAY = 86_400.0


def members(n=20_000, *, holdout=0.5, effect=10.0, seed=0, days=28, **changed):
    """Everybody spends about what they spent before; the treated `effect` more, at a cost of 2 for half of them."""
    draw = np.random.default_rng(seed)
    arm = (draw.random(n) < holdout).astype(np.int64)
    before = draw.gamma(1, 50, n)
    treated = arm == 0
    redeemed = treated & (draw.random(n) < 0.5)
    revenue = 0.8 * before + draw.gamma(1, 20, n) + effect * treated
    told = {
        "arm": arm, "variant": np.where(treated, 0, -1), "variants": ("ten",), "segment": np.zeros(n, np.int64),
        "segments": ("all",), "propensity": np.where(treated, 1 - holdout, holdout),
        "joined": np.full(n, NOW - days * DAY),
        "measures": {
            "messaged": treated.astype(float), "exposed": np.zeros(n), "issued": treated.astype(float),
            "redeemed": redeemed.astype(float), "cost": 2.0 * redeemed, "orders": (revenue > 40).astype(float),
            "revenue": revenue, "margin": revenue / 2,
        },
        "before": {"orders": (before > 40).astype(float), "revenue": before},
        "first": {name: np.where(treated, NOW - days * DAY + 3600, np.nan)
                  for name in ("messaged", "exposed", "issued", "redeemed")},
        "later": Later(np.arange(n), np.full(n, 3), revenue / 2),
    }  # fmt: skip
    return Members(**{**told, **changed})


DESIGN = Design(holdout=0.5, shares={"ten": 1.0})


def effect_of(part, measure):
    return next(each for each in part["effects"] if each["measure"] == measure)


def report(people, design=DESIGN, **how):
    return as_asked(figures_of(people, design, now=NOW), sequential=how.get("sequential", False))


def test_a_planted_effect_is_in_the_interval_and_adjusting_makes_that_narrow():
    people = members()
    found = effect_of(report(people), "revenue")
    treated = int((people.arm == 0).sum())
    assert found["total"]["low"] < 10 * treated < found["total"]["high"]
    assert found["each"]["high"] - found["each"]["low"] < 1.3  # plain it would be 2.5
    roi = report(people)["roi"]
    assert roi["low"] < 5 < roi["high"]  # a margin of 5 at a cost of 1 a head
    sequential = effect_of(report(people, sequential=True), "revenue")
    assert sequential["each"]["low"] < found["each"]["low"]


def test_figures_are_plain_json_whatever_is_missing():
    for people in (members(), members(0), members(1), members(2, holdout=0.0), members(500, holdout=1.0)):
        figures = figures_of(people, DESIGN, now=NOW)
        assert json.loads(json.dumps(figures, allow_nan=False)) == figures
        for language in ("en", "zh"):
            assert sentences(as_asked(figures, sequential=False), language)


def test_the_effect_grows_day_by_day_up_to_the_whole():
    found = report(members())
    assert [each["value"] for each in found["cumulative"][:3]] == [0, 0, 0]
    assert len(found["cumulative"]) == 28
    assert found["cumulative"][-1]["value"] == pytest.approx(effect_of(found, "margin")["total"]["value"])


def test_each_drawn_variant_is_compared_with_all_who_were_held_out():
    people = members()
    half = np.random.default_rng(1).random(len(people)) < 0.5
    variant = np.where(people.arm == 0, np.where(half, 0, 1), -1)
    people = members(variant=variant, variants=("a", "b"), propensity=np.where(people.arm == 0, 0.25, 0.5))
    found = report(people, Design(holdout=0.5, shares={"a": 0.5, "b": 0.5}))
    assert {each["variant"] for each in found["variants"]} == {"a", "b"}
    for each in found["variants"]:
        assert each["totals"]["holdout"] == found["totals"]["holdout"]
        assert effect_of(each, "revenue")["each"]["low"] < 10 < effect_of(each, "revenue")["each"]["high"]
    assert not found["sample_ratio"]["alarm"]
    assert len(found["sample_ratio"]["groups"]) == 3


def test_a_planned_offer_is_compared_with_those_it_was_held_back_from_or_with_nobody():
    people = members()
    variant = np.where(people.arm == 0, np.arange(len(people)) % 2, -1)
    design = Design(assignment="plan", holdout=0.5)
    alone = report(members(variant=variant, variants=("a", "b")), design)
    assert [each["effects"] for each in alone["variants"]] == [[], []]
    assert any("planned, not drawn" in said for said in sentences(alone, "en"))
    matched = report(members(variant=np.arange(len(people)) % 2, variants=("a", "b")), design)
    assert all(each["effects"] for each in matched["variants"])
    assert sum(each["totals"]["holdout"]["members"] for each in matched["variants"]) == (people.arm == 1).sum()


def test_segments_have_figures_of_their_own():
    segment = np.arange(20_000) % 4
    found = report(members(segment=segment, segments=("a", "b", "c", "d")))
    assert sum(each["totals"]["treatment"]["members"] for each in found["segments"]) == found["members"]["treatment"]
    assert any("one in twenty" in said for said in sentences(found, "en"))


def test_arms_that_are_not_as_drawn_ring_the_alarm():
    people = members(holdout=0.4, propensity=np.full(20_000, 0.5))
    found = report(people)
    assert found["sample_ratio"]["alarm"]
    assert "Alarm" in sentences(found, "en")[0]
    assert "警报" in sentences(found, "zh")[0]
    nobody = report(people, Design(holdout=0.5, shares={"ten": 0.5, "lost": 0.5}))
    assert nobody["sample_ratio"]["alarm"]  # a variant that nobody got


def test_a_variant_of_which_there_were_few_pieces_is_no_alarm_and_an_uneven_arm_within_it_is():
    people = members()
    variant = (np.arange(len(people)) % 10 == 0).astype(np.int64)  # one in ten was kept, half of them was drawn
    chances = np.where(people.arm == 0, 0.25, 0.5)
    design = Design(holdout=0.5, shares={"a": 0.5, "b": 0.5}, is_limited=True)
    few = members(variant=variant, variants=("a", "b"), propensity=chances)
    assert not report(few, design)["sample_ratio"]["alarm"]
    assert report(few, replace(design, is_limited=False))["sample_ratio"]["alarm"]
    lost = np.where((variant == 1) & (np.arange(len(people)) % 20 == 0), 0, people.arm)
    assert report(members(variant=variant, variants=("a", "b"), propensity=chances, arm=lost), design)["sample_ratio"][
        "alarm"
    ]


def test_without_a_holdout_nothing_is_said_of_what_changed():
    found = report(members(holdout=0.0), Design(shares={"ten": 1.0}))
    assert (found["control"], found["effects"], found["roi"], found["cumulative"]) == (None, [], None, [])
    assert "Nobody was held out: nothing can be said of what the campaign changed." in sentences(found, "en")


def test_the_shops_own_holdout_is_the_control_only_where_there_is_no_other():
    people = members()
    arm = people.arm.copy()
    arm[:1000] = 2
    both = report(members(arm=arm))
    assert (both["control"], both["members"]["global_holdout"]) == ("holdout", 1000)
    assert any("left alone by all campaigns" in said for said in sentences(both, "en"))
    alone = report(members(arm=people.arm * 2), Design(shares={"ten": 1.0}))
    assert alone["control"] == "global_holdout"
    assert any("all other campaigns" in said for said in sentences(alone, "en"))


def test_an_interval_with_zero_in_it_is_called_so_and_harm_is_called_harm():
    assert any("contains zero" in said for said in sentences(report(members(effect=0.0)), "en"))
    assert any("did harm" in said for said in sentences(report(members(effect=-10.0)), "en"))
    assert any("包含零" in said for said in sentences(report(members(effect=0.0)), "zh"))


def test_a_window_that_is_not_over_is_told_and_who_looks_early_is_warned():
    early = members(days=10)
    assert any("is over for 0%" in said for said in sentences(report(early), "en"))
    assert any("sequential" in said for said in sentences(report(early), "en"))
    assert not any("sequential" in said for said in sentences(report(early, sequential=True), "en"))


def test_costs_that_are_not_known_are_not_guessed():
    people = members()
    some = {name: each for name, each in people.measures.items() if name != "margin"}
    found = report(members(measures=some, known=0.3, by_items=0.3))
    assert found["roi"] is None
    assert any("30% of the revenue only" in said for said in sentences(found, "en"))
    declared = report(members(known=1.0, by_items=0.25))
    assert any("75% of the revenue" in said for said in sentences(declared, "en"))


@pytest.mark.parametrize("sequential", [False, True])
def test_parts_of_what_may_as_well_be_zero_have_no_bounds_and_the_report_says_so(sequential):
    people = members(600)
    rare = np.where(people.arm == 0, 3.0, 0.0) * (np.arange(600) % 7 == 0)
    rare[np.flatnonzero(people.arm == 1)[:1]] = 1.0  # one of those held out ordered
    figures = report(members(600, measures={**people.measures, "orders": rare}), sequential=sequential)
    found = effect_of(figures, "orders")
    assert found["relative"]["value"] > 0 and found["each"]["low"] is not None
    assert (found["relative"]["low"], found["relative"]["high"]) == (None, None)
    assert found["relative"]["p"] == found["each"]["p"]
    assert any("cannot be told for orders:" in said for said in sentences(figures, "en"))
    assert any("订单的百分比变化" in said for said in sentences(figures, "zh"))
    known = effect_of(report(members(), sequential=sequential), "revenue")
    assert known["relative"]["low"] < 10 / 60 < known["relative"]["high"]
    assert not any("per cent more" in said for said in sentences(report(members(), sequential=sequential), "en"))


def test_small_arms_and_contacted_controls_are_told():
    people = members(400)
    seen = {**people.measures, "messaged": np.ones(400)}
    said = sentences(report(members(400, measures=seen)), "en")
    assert any("fewer than 1,000" in each for each in said)
    assert any("got a message or saw the offer" in each for each in said)


def test_the_document_says_how_the_arms_were_drawn():
    offers = {"offers": ["a", {"offer_id": "b", "reason_class": "random"}], "holdout": 0.2}
    assert design_of(offers).shares == {"a": 0.5, "b": 0.5}
    assert design_of({}).shares == {"message": 1.0}
    assert design_of({"assignment": "plan", "offers": ["a"]}).shares is None
    variants = [{"variant": "x", "share": 0.25, "offer_id": "c"}, {"variant": "y", "share": 0.75, "offer_id": None}]
    assert design_of({"variants": variants, "trigger": {"on": "birthday"}}) == Design(
        shares={"x": 0.25, "y": 0.75}, is_triggered=True
    )
    assert offers_of({**offers, "variants": variants}) == ("a", "b", "c")


@pytest.mark.parametrize(
    ("value", "measure", "currency", "text"),
    [(12345, "revenue", "EUR", "123.45 EUR"), (1234, "margin", "JPY", "1,234 JPY"),
     (12345678, "cost", None, "123,457"),
     (None, "orders", None, "–"), (12.0, "orders", None, "12"), (0.25, "orders", None, "0.25")],
)  # fmt: skip
def test_numbers_are_written_as_people_read_them(value, measure, currency, text):
    assert number_text(value, measure, currency) == text
