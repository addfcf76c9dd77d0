"""Campaigns in the ledger: revisions, approvals by somebody else, moves, and a record of it all."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import DBAPIError

from engine.errors import BadInput, NotAllowed, UnknownThing
from engine.storage.campaign_moves import (
    approve_campaign,
    complete_campaign,
    complete_due_campaigns,
    due_campaigns,
    edit_campaign,
    pause_campaign,
    resume_campaign,
    unschedule_campaign,
)
from engine.storage.campaigns import (
    campaign_changes,
    create_campaign,
    delete_campaign,
    find_campaign,
    list_campaigns,
)
from engine.storage.ledger import connection_of, rows_of
from engine.storage.shop_secrets import shop_secret
from engine.targeting.campaign import checked_campaign

NOW = 1_780_000_000.0
PLAIN = {"name": "Back", "audience": {"segment": "activity.churned"}, "channel": "email", "offers": ["a"], "budget": 5}


def make(ledger, campaign_id="back", actor="anna", **more):
    return create_campaign(ledger, checked_campaign({**PLAIN, **more}), campaign_id=campaign_id, actor=actor, now=NOW)


def edit(ledger, actor="anna", campaign_id="back", revision=None, **more):
    campaign = checked_campaign({**PLAIN, **more})
    return edit_campaign(
        ledger, campaign_id, campaign, revision=revision, approval_budget=100, actor=actor, now=NOW + 1
    )


def set_state(ledger, state, campaign_id="back"):
    """As a launch leaves it."""
    with connection_of(ledger) as connection:
        rows_of(
            connection, "UPDATE campaigns SET state = :state, approved_at = now() WHERE campaign_id = :id",
            state=state, id=campaign_id,
        )  # fmt: skip


def test_a_draft_is_found_listed_and_deleted(ledger):
    made = make(ledger)
    assert (made.state, made.revision, made.created_by) == ("draft", 1, "anna")
    assert find_campaign(ledger, "back") == made
    assert "salt" not in made.as_json()
    make(ledger, "other")
    assert [each.id for each in list_campaigns(ledger)] == ["back", "other"]
    assert [each.id for each in list_campaigns(ledger, after="back", limit=1)] == ["other"]
    assert list_campaigns(ledger, state="running") == []
    delete_campaign(ledger, "back")
    with pytest.raises(UnknownThing):
        find_campaign(ledger, "back")
    assert make(ledger, campaign_id=None).id not in ("", "other")


def test_an_id_is_taken_once_and_is_one_that_paths_can_write(ledger):
    make(ledger)
    with pytest.raises(NotAllowed, match="already"):
        make(ledger)
    for name in ("", "A b", "日本"):
        with pytest.raises(BadInput):
            make(ledger, name)


def test_an_edit_is_a_revision_and_takes_the_approval_back(ledger):
    make(ledger)
    assert approve_campaign(ledger, "back", actor="bert", now=NOW).state == "approved"
    changed = edit(ledger, budget=6)
    assert (changed.state, changed.revision, changed.approved_at, changed.approved_by) == ("draft", 2, None, None)
    assert edit(ledger, budget=6).revision == 2
    with pytest.raises(NotAllowed, match="revision 2"):
        edit(ledger, revision=1, budget=7)
    told = [(each.change, each.actor) for each in campaign_changes(ledger, "back")]
    assert told == [("created", "anna"), ("approved", "bert"), ("edited", "anna")]


def test_neither_the_author_nor_the_last_editor_approves(ledger):
    make(ledger)
    edit(ledger, actor="bert", budget=6)
    for actor in ("anna", "bert", None):
        with pytest.raises(NotAllowed):
            approve_campaign(ledger, "back", actor=actor, now=NOW)
    assert find_campaign(ledger, "back").state == "draft"
    assert approve_campaign(ledger, "back", actor="carl", now=NOW).approved_by == "carl"


def test_a_running_campaign_is_paused_resumed_and_completed(ledger):
    make(ledger)
    with pytest.raises(NotAllowed, match="draft"):
        pause_campaign(ledger, "back", actor="anna", now=NOW)
    set_state(ledger, "running")
    assert pause_campaign(ledger, "back", reason="rain", actor="anna", now=NOW).state == "paused"
    assert resume_campaign(ledger, "back", actor="anna", now=NOW).state == "running"
    done = complete_campaign(ledger, "back", actor="anna", now=NOW)
    assert (done.state, done.completed_at.timestamp()) == ("completed", NOW)
    for move in (pause_campaign, resume_campaign, complete_campaign):
        with pytest.raises(NotAllowed, match="completed"):
            move(ledger, "back", actor="anna", now=NOW)
    with pytest.raises(NotAllowed, match="stays"):
        edit(ledger, name="late")
    with pytest.raises(NotAllowed):
        delete_campaign(ledger, "back")
    assert campaign_changes(ledger, "back")[1].detail == {"reason": "rain"}


def test_of_a_running_campaign_only_what_is_safe_changes(ledger):
    make(ledger)
    set_state(ledger, "running")
    with pytest.raises(NotAllowed) as refused:
        edit(ledger, holdout=0.5)
    assert refused.value.field == "holdout"
    with pytest.raises(BadInput, match="past"):
        edit(ledger, ends_at="2001-01-01T00:00:00Z")
    changed = edit(ledger, name="Better", budget=99)
    assert (changed.state, changed.approved_at is None) == ("running", False)


def test_a_budget_raised_above_the_limit_waits_for_somebody_else(ledger):
    make(ledger)
    set_state(ledger, "running")
    raised = edit(ledger, budget=101)
    assert (raised.state, raised.approved_at) == ("paused", None)
    with pytest.raises(NotAllowed, match="approve"):
        resume_campaign(ledger, "back", actor="anna", now=NOW)
    with pytest.raises(NotAllowed, match="somebody else"):
        approve_campaign(ledger, "back", actor="anna", now=NOW)
    assert approve_campaign(ledger, "back", actor="bert", now=NOW).state == "paused"
    with pytest.raises(NotAllowed, match="already"):
        approve_campaign(ledger, "back", actor="bert", now=NOW)
    assert resume_campaign(ledger, "back", actor="anna", now=NOW).state == "running"


def test_what_is_due_is_told_and_what_is_over_is_completed(ledger):
    make(ledger, starts_at="2026-05-01T00:00:00Z", ends_at="2026-05-10T00:00:00Z")
    first = find_campaign(ledger, "back").starts_at.timestamp()
    assert due_campaigns(ledger, now=first) == []
    set_state(ledger, "scheduled")
    assert due_campaigns(ledger, now=first - 1) == []
    assert due_campaigns(ledger, now=first) == ["back"]
    assert unschedule_campaign(ledger, "back", reason="nobody", actor=None, now=first).state == "approved"
    set_state(ledger, "paused")
    last = find_campaign(ledger, "back").ends_at.timestamp()
    assert complete_due_campaigns(ledger, now=last - 1) == []
    assert complete_due_campaigns(ledger, now=last) == ["back"]
    assert complete_due_campaigns(ledger, now=last) == []


def test_an_edit_of_a_scheduled_campaign_makes_it_a_draft(ledger):
    make(ledger)
    set_state(ledger, "scheduled")
    assert edit(ledger, holdout=0.5).state == "draft"


def test_the_record_cannot_be_changed(ledger):
    make(ledger)
    with pytest.raises(DBAPIError, match="stays on record"), connection_of(ledger) as connection:
        rows_of(connection, "UPDATE campaign_changes SET actor = 'x'")


def test_a_secret_is_made_once(ledger):
    assert shop_secret(ledger, "a") == shop_secret(ledger, "a") != shop_secret(ledger, "b")
    assert len(shop_secret(ledger, "a")) > 40


@pytest.mark.parametrize("name", ["never", "\0", "\ud800"])
def test_what_never_was_is_unknown(ledger, name):
    with pytest.raises(UnknownThing):
        find_campaign(ledger, name)
