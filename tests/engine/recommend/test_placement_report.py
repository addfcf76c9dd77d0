"""Reports of placements: totals that add up, differences that were planted, and what cannot be said."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from engine.recommend.placement_report import MEASURES, SMALL_ARM, Outcomes, figures_of
from engine.recommend.placement_words import sentences
from engine.trials.effects import Arm, ratio_of_means, relative_ratio

NAMES = ("control", "b")


def outcomes(people=4_000, lift=0.0, seed=1, versions=1, names=NAMES, **more):
    """People with lists under each version; clicks, and what follows them, are `lift` more often with any variant."""
    draw = np.random.default_rng(seed)
    unit = np.repeat(np.arange(people), versions)
    variant = np.repeat(draw.integers(0, len(names), people), versions)
    rate = np.repeat(draw.beta(4, 36, people), versions) * np.where(variant > 0, 1 + lift, 1.0)
    lists = draw.poisson(4, len(unit)) + 1.0
    shown = 10 * lists
    clicks = draw.binomial(shown.astype(int), rate).astype(float)
    orders = draw.binomial(clicks.astype(int), 0.2).astype(float)
    revenue = orders * np.round(draw.lognormal(6, 0.5, len(unit)))
    return Outcomes(
        unit=unit, variant=variant, variants=tuple(names), version=np.tile(np.arange(versions) + 3, people),
        lists=lists, shown=shown, clicks=clicks, orders=orders, revenue=revenue, spent=revenue + 50,
        before=np.round(draw.lognormal(6, 0.5, len(unit))), shares=dict.fromkeys(names, 1 / len(names)), **more,
    )  # fmt: skip


def effects(figures, variant):
    (found,) = (each for each in figures["variants"] if each["variant"] == variant)
    return {each["measure"]: each for each in found["effects"]}


def test_totals_add_up_over_variants_and_versions():
    told = outcomes(versions=2)
    figures = figures_of(told)
    json.dumps(figures, allow_nan=False)
    for name in ("lists", "shown", "clicks", "orders", "revenue"):
        whole = float(getattr(told, name).sum())
        assert sum(each[name] for each in figures["variants"]) == whole
        assert sum(part[name] for each in figures["variants"] for part in each["versions"]) == whole
    assert sum(each["people"] for each in figures["variants"]) == 4_000
    control, b = figures["variants"]
    assert [part["bundle_version"] for part in control["versions"]] == [3, 4]
    assert [part["people"] for part in control["versions"]] == [control["people"]] * 2
    assert (control["effects"], len(b["effects"])) == ([], 4)
    assert control["click_through"] == pytest.approx(control["clicks"] / control["shown"])
    assert control["revenue_each"] == pytest.approx(control["revenue"] / control["people"])


def test_what_was_planted_is_found_and_held():
    figures = figures_of(outcomes(lift=0.3))
    found = effects(figures, "b")
    assert list(found) == list(MEASURES)
    for name in ("click_through", "revenue"):
        part = found[name]["relative"]
        assert part["low"] < 0.3 < part["high"]
    assert found["click_through"]["difference"]["low"] > 0
    assert found["click_through"]["difference"]["p"] < 0.001
    words = sentences(figures, "en")
    assert any(each.startswith("b: click-through +") for each in words)
    assert any("点击率" in each for each in sentences(figures, "zh"))
    for version in figures["variants"][1]["versions"]:
        assert version["effects"][0]["difference"]["low"] > 0


def test_nothing_is_called_nothing():
    figures = figures_of(outcomes(seed=4))
    assert all(each["difference"]["low"] < 0 < each["difference"]["high"] for each in effects(figures, "b").values())
    assert "b: nothing differs from the control beyond chance so far." in sentences(figures, "en")
    assert not figures["sample_ratio"]["alarm"]


def test_several_variants_share_the_chance_of_being_misled():
    two, four = figures_of(outcomes()), figures_of(outcomes(names=("control", "b", "c", "d")))
    ratio = [
        (each["high"] - each["low"]) / each["error"]
        for each in (effects(figures, "b")["click_through"]["difference"] for figures in (two, four))
    ]
    assert ratio[1] > ratio[0] * 1.05
    assert [each["variant"] for each in four["variants"]] == ["control", "b", "c", "d"]


def test_what_was_spent_before_narrows_what_was_spent_since():
    told = outcomes()
    related = replace(told, spent=told.revenue + 10 * told.before)
    plain = replace(related, before=np.zeros(len(told.unit)))
    errors = [effects(figures_of(each), "b")["spent"]["difference"]["error"] for each in (related, plain)]
    assert errors[0] < errors[1] / 2


def test_an_alarm_rings_where_people_are_missing():
    told = outcomes(people=20_000)
    lost = (told.variant == 1) & (np.arange(len(told.unit)) % 8 == 0)
    names = ("unit", "variant", "version", "lists", "shown", "clicks", "orders", "revenue", "spent", "before")
    figures = figures_of(replace(told, **{name: getattr(told, name)[~lost] for name in names}))
    assert figures["sample_ratio"]["alarm"]
    assert sentences(figures, "en")[0].startswith("Alarm:")
    assert sum(each["expected"] for each in figures["sample_ratio"]["groups"]) == pytest.approx((~lost).sum())


def test_a_variant_that_nobody_saw_stands_there_with_nothing_and_rings_when_it_should_have_been_seen():
    told = outcomes(names=("control",))
    figures = figures_of(replace(told, shares={"control": 0.5, "b": 0.5}))
    control, b = figures["variants"]
    assert (b["variant"], b["people"], b["click_through"], b["effects"]) == ("b", 0, None, [])
    assert control["people"] == 4_000
    assert figures["sample_ratio"]["alarm"]


def test_without_an_experiment_there_are_totals_by_version_alone():
    figures = figures_of(replace(outcomes(names=("",), versions=2), shares={}))
    (all_,) = figures["variants"]
    assert (all_["variant"], all_["share"], all_["effects"], figures["sample_ratio"]) == (None, None, [], None)
    assert [part["bundle_version"] for part in all_["versions"]] == [3, 4]
    assert sentences(figures, "en") == []


def test_what_makes_figures_untrustworthy_is_said():
    figures = figures_of(outcomes(people=300, crossed=3, reweighed=True, exposed=False))
    assert figures["sample_ratio"] is None
    words = " ".join(sentences(figures, "en"))
    for part in ("weights were changed", "3 people saw several", "No exposures arrived", f"fewer than {SMALL_ARM:,}"):
        assert part in words
    assert len(sentences(figures, "zh")) == len(sentences(figures, "en"))


def test_where_nobody_clicked_no_part_is_told():
    told = outcomes(people=100)
    figures = figures_of(replace(told, clicks=np.zeros(100), orders=np.zeros(100), revenue=np.zeros(100)))
    found = effects(figures, "b")["click_through"]
    assert (found["difference"]["value"], found["relative"]["value"]) == (0.0, None)
    json.dumps(figures, allow_nan=False)
    gone = figures_of(replace(told, shown=np.zeros(100), clicks=np.zeros(100)))
    assert effects(gone, "b")["click_through"]["difference"]["value"] is None


def test_a_relative_ratio_is_the_ratio_of_both_and_its_error_that_of_drawing_anew():
    draw = np.random.default_rng(2)

    def arm(rate):
        shown = draw.poisson(40, 500) + 1.0
        columns = np.column_stack([draw.binomial(shown.astype(int), rate), shown])
        means = columns.mean(axis=0)
        return Arm(500, means, np.cov(columns.T))

    found = [relative_ratio(arm(0.12), arm(0.1), 0, 1) for _ in range(800)]
    values = np.array([each.value for each in found])
    assert values.mean() == pytest.approx(0.2, abs=0.01)
    assert np.mean([each.error for each in found]) == pytest.approx(values.std(), rel=0.1)
    one, other = arm(0.12), arm(0.1)
    part, change = relative_ratio(one, other, 0, 1), ratio_of_means(one, other, 0, 1)
    assert part.value == pytest.approx(change.value / (other.means[0] / other.means[1]))
