"""Documents of campaigns: what is read is what was meant, and what cannot be is refused by its field."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import BadInput, NotAllowed
from engine.targeting.campaign import campaign_document, checked_campaign
from engine.targeting.campaign_draws import Holdouts, draw, message_id
from engine.targeting.campaign_states import (
    MOVES,
    STATES,
    check_approver,
    check_safe_edit,
    moved,
    needs_approval,
)
from engine.targeting.segments import Words
from engine.targeting.suggestions import Evidence, Wish, suggest
from engine.targeting.traits import TRAIT_FIELDS
from engine.trials.draws import fraction, places
from tests.engine.targeting.test_suggestions import audience, offer

WORDS = Words(TRAIT_FIELDS)
PLAIN = {"name": "Back", "audience": {"segment": "activity.churned"}, "channel": "email"}
PLANNED = {**PLAIN, "goal": "win-back", "assignment": "plan", "offers": ["a", "b"], "budget": 1_000}
FULL = {
    "name": "春", "goal": "win-back", "purpose": "news", "audience": {"rule": "spend_90d >= 100"}, "channel": "webhook",
    "offers": [{"offer_id": "a", "reason_class": "random", "pieces": 3}, "b"], "assignment": "random",
    "variants": [
        {"variant": "x", "share": 0.5, "offer_id": "a", "template": {"subject": "s", "text": "a\nb", "html": "<b>"}},
        {"variant": "y", "share": 0.5},
    ],
    "template": {"subject": "s", "text": "t"}, "holdout": 0.1, "budget": 500, "quota": {"per": "hour", "amount": 10},
    "margin": 0.3, "least_share": 0.1, "segments_by": "rfm", "cap": {"messages": 2},
    "trigger": {"on": "entered", "segment": "vips", "again_after": "P30D"},
    "quiet": {"from": "22:00", "until": "08:00"},
    "priority": 5, "exclusion_group": "g", "window_days": 14, "justification": "because",
    "starts_at": "2026-01-01T00:00:00Z", "ends_at": "2026-02-01T00:00:00+01:00", "language": "zh",
}  # fmt: skip


def test_a_document_is_read_as_what_it_is_written_as_again():
    for document in (PLAIN, PLANNED, FULL):
        campaign = checked_campaign(document, WORDS)
        written = campaign_document(campaign)
        assert checked_campaign(written) == checked_campaign(written, WORDS) == campaign
        assert set(written) == set(campaign_document(checked_campaign(PLAIN)))
    assert campaign_document(checked_campaign(FULL, WORDS))["audience"]["rule"]["trait"] == "spend_90d"


def test_suggestions_are_valid_drafts():
    found = suggest(Wish("win-back", 1_000_000), [audience()], [offer()], Evidence(5_000.0))
    for each in found:
        assert checked_campaign(dict(each.campaign), WORDS).goal == "win-back"
    assert found


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "name"),
        ({"name": " "}, "name"),
        ({"audience": {}}, "audience"),
        ({"audience": {"segment": "a", "users": ["b"]}}, "audience"),
        ({"audience": {"rule": "spend_90d >="}}, "audience.rule"),
        ({"audience": {"rule": {"trait": "never", "op": "=", "value": 1}}}, "audience.rule.trait"),
        ({"audience": {"class": "plain"}}, "audience.class"),
        ({"audience": {"users": []}}, "audience.users"),
        ({"audience": {"users": [7]}}, "audience.users[0]"),
        ({"channel": "fax"}, "channel"),
        ({"goal": "fame"}, "goal"),
        ({"holdout": 1}, "holdout"),
        ({"holdout": float("nan")}, "holdout"),
        ({"budget": -1}, "budget"),
        ({"budget": 1.5}, "budget"),
        ({"offers": ["a", {"offer_id": "a"}]}, "offers[1]"),
        ({"offers": ["a", {"offer_id": "a", "pieces": 1}]}, "offers"),
        ({"offers": [{"offer_id": "a", "reason_class": "loyal"}]}, "offers[0].reason_class"),
        ({"quota": {"per": "day", "amount": 5}}, "quota"),
        ({"variants": [{"variant": "x", "share": 0.4}]}, "variants"),
        ({"variants": [{"variant": "x", "share": 1, "offer_id": "a"}]}, "variants[0].offer_id"),
        ({"template": {"subject": "s"}}, "template.text"),
        ({"trigger": {"on": "tier_change"}}, "trigger.classification"),
        ({"trigger": {"on": "entered", "segment": ["x"]}}, "trigger.segment"),
        ({"quiet": {"from": "24:00", "until": "08:00"}}, "quiet.from"),
        ({"quiet": {"from": "08:00", "until": "08:00"}}, "quiet"),
        ({"cap": {"messages": 0}}, "cap.messages"),
        ({"starts_at": "2026-01-02T00:00:00Z", "ends_at": "2026-01-01T00:00:00Z"}, "ends_at"),
        ({"assignment": "plan"}, "offers"),
        ({"assignment": "plan", "offers": ["a"]}, "budget"),
        ({"assignment": "plan", "offers": ["a"], "budget": 5}, "offers[0].reason_class"),
        (
            {"assignment": "plan", "goal": "win-back", "offers": ["a", "b"], "budget": 5, "per_customer": 2},
            "per_customer",
        ),
        ({"per_customer": 2}, "per_customer"),
        ({"language": "fr"}, "language"),
        ({"chanel": "email"}, "chanel"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(change, field):
    with pytest.raises(BadInput) as refused:
        checked_campaign({**PLAIN, **change}, WORDS)
    assert refused.value.field == field


@pytest.mark.parametrize("given", [None, [], "x", 5])
def test_what_is_no_document_is_refused(given):
    with pytest.raises(BadInput, match="JSON object"):
        checked_campaign(given, WORDS)


def test_every_planned_discount_has_a_reason():
    campaign = checked_campaign(PLANNED, WORDS)
    assert {campaign.reason_class_of(each) for each in campaign.offers} == {"win_back"}
    drawn = checked_campaign({**PLAIN, "offers": ["a"]}, WORDS)
    assert drawn.reason_class_of(drawn.offers[0]) == "random"


def test_without_variants_the_offers_are_drawn_in_equal_shares():
    campaign = checked_campaign({**PLAIN, "offers": ["a", "b"]}, WORDS)
    assert [(each.offer_id, each.share) for each in campaign.drawn_variants()] == [("a", 0.5), ("b", 0.5)]
    assert [each.offer_id for each in checked_campaign(PLAIN, WORDS).drawn_variants()] == [None]


def test_a_move_is_made_from_its_states_only():
    for move, (sources, target) in MOVES.items():
        for state in STATES:
            if state in sources:
                assert moved(state, move) == target
            else:
                with pytest.raises(NotAllowed, match=state):
                    moved(state, move)


def test_large_budgets_and_those_without_a_limit_need_somebody_else():
    assert needs_approval(checked_campaign(PLANNED), 999)
    assert not needs_approval(checked_campaign(PLANNED), 1_000)
    assert needs_approval(checked_campaign({**PLAIN, "offers": ["a"]}), 10**9)
    assert not needs_approval(checked_campaign(PLAIN), 0)


def test_nobody_approves_what_they_wrote_or_changed_last():
    assert check_approver("carl", "anna", "bert") == "carl"
    for actor in ("anna", "bert", None):
        with pytest.raises(NotAllowed):
            check_approver(actor, "anna", "bert")


def test_a_running_campaign_changes_only_what_is_safe():
    before = checked_campaign(PLANNED)
    for change in ({"name": "New"}, {"ends_at": "2030-01-01T00:00:00Z"}, {"budget": 2_000}, {"priority": 3}):
        assert check_safe_edit(before, checked_campaign({**PLANNED, **change})) == list(change)
    for change in (
        {"holdout": 0.5},
        {"budget": 999},
        {"channel": "file"},
        {"offers": ["a"]},
        {"audience": {"segment": "b"}},
    ):
        with pytest.raises(NotAllowed) as refused:
            check_safe_edit(before, checked_campaign({**PLANNED, **change}))
        assert [refused.value.field] == list(change)


def test_draws_are_the_same_again_and_spread_as_their_shares_say():
    users = [f"u{number}" for number in range(20_000)]
    holdouts = Holdouts("shop", 0.05, "campaign", 0.2)
    drawn, again = draw(users, holdouts), draw(users[::-1], holdouts)
    assert (drawn.arm == again.arm[::-1]).all()
    shares = np.bincount(drawn.arm, minlength=3) / len(users)
    expected = [holdouts.chance(arm) for arm in range(3)]
    # Five standard errors.
    assert np.abs(shares - expected).max() < 5 * 0.5 / len(users) ** 0.5
    assert abs(sum(expected) - 1) < 1e-12
    assert drawn.variant.min() >= 0
    assert drawn.variant.max() < 1
    assert abs(np.corrcoef(drawn.variant, drawn.order)[0, 1]) < 0.04
    assert abs(np.corrcoef(drawn.arm == 1, drawn.variant)[0, 1]) < 0.04
    assert fraction("campaign", "u1") == fraction("campaign", "u1") != fraction("other", "u1")


def test_another_campaign_holds_out_others_and_the_shop_the_same():
    users = [f"u{number}" for number in range(5_000)]
    one, two = (draw(users, Holdouts("shop", 0.1, salt, 0.3)).arm for salt in ("a", "b"))
    assert ((one == 2) == (two == 2)).all()
    assert ((one == 1) != (two == 1)).any()


def test_a_number_falls_into_the_share_that_holds_it():
    assert list(places(np.array([0.0, 0.49, 0.5, 0.999999]), [0.5, 0.5])) == [0, 0, 1, 1]
    assert list(places(np.array([0.9999999]), [1 / 3, 1 / 3, 1 / 3])) == [2]


def test_a_message_keeps_its_name_and_no_two_share_one():
    names = {message_id("c", f"u{number}", step) for number in range(100) for step in range(2)}
    assert len(names) == 200
    assert message_id("c", "u1") == message_id("c", "u1", 0)
