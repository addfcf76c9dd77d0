"""Messages follow merges: two users who turn out to be one person get each message once, and count as one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.storage.customer_reach import Reach
from engine.storage.customer_refresh import refresh_customers
from tests.engine.storage.shoppers import NOW
from tests.serving.campaign_shop import Inbox, mail_server, mail_settings


def merged(shop, old, new):
    """Merged, and followed as a refresh of the customers follows it."""
    shop.shoppers.merges("user", old, new)
    refresh_customers(shop.home, now=NOW.timestamp(), zone="UTC", reach=Reach(shop.ledger, "salt", 0.0))


def states(shop, campaign_id="c"):
    told = "SELECT user_id, state, coalesce(reason, '') FROM campaign_outbox WHERE campaign_id = :id ORDER BY 1"
    return {user: (state, reason) for user, state, reason in shop.sql(told, id=campaign_id)}


def letters(inbox):
    return sorted(address for addresses, _ in inbox.letters for address in addresses)


def test_a_message_to_either_before_the_merge_counts_against_the_cap_of_the_person(campaign_shop):
    inbox = Inbox()
    campaign_shop.customers("u1", "u2", "u3")
    with mail_server(inbox) as port:
        campaign_shop.campaign(["u2"], cap={"messages": 1})
        campaign_shop.send(**mail_settings(port))
        merged(campaign_shop, "u2", "u1")
        campaign_shop.campaign(["u1", "u3"], "second", cap={"messages": 1})
        campaign_shop.send(**mail_settings(port))
    assert letters(inbox) == ["u2@shop.example", "u3@shop.example"]
    assert states(campaign_shop, "second") == {"u1": ("waiting", "capped"), "u3": ("sent", "")}


def test_a_waiting_message_goes_to_whom_its_customer_turned_out_to_be(campaign_shop):
    inbox = Inbox()
    campaign_shop.customers("u1", "u2")
    campaign_shop.offer()
    campaign_shop.campaign(["u2"], offer="ten")
    merged(campaign_shop, "u2", "u1")
    with mail_server(inbox) as port:
        campaign_shop.send(**mail_settings(port))
    assert letters(inbox) == ["u1@shop.example"]
    assert states(campaign_shop) == {"u2": ("sent", "")}
    assert campaign_shop.sql("SELECT user_id FROM coupons") == [("u1",)]


@pytest.mark.parametrize("due", ["together", "own later", "other later"])
def test_of_two_messages_that_wait_for_one_person_one_leaves(campaign_shop, due):
    inbox = Inbox()
    campaign_shop.customers("u1", "u2")
    campaign_shop.campaign(["u1", "u2"], cap={"messages": 9})
    if due != "together":
        later = "UPDATE campaign_outbox SET due_at = :at WHERE user_id = :user"
        campaign_shop.sql(later, at=NOW + timedelta(hours=1), user="u1" if due == "own later" else "u2")
    merged(campaign_shop, "u2", "u1")
    with mail_server(inbox) as port:
        campaign_shop.send(**mail_settings(port))
        campaign_shop.set_clock(NOW + timedelta(hours=2))
        campaign_shop.send(**mail_settings(port))
    assert letters(inbox) == ["u1@shop.example"]
    assert states(campaign_shop) == {"u1": ("sent", ""), "u2": ("skipped", "merged")}
    assert campaign_shop.contacts() == {"u1": 1}


def test_who_got_it_before_the_merge_does_not_get_it_again_under_any_id(campaign_shop):
    inbox = Inbox()
    campaign_shop.customers("u1", "u2", "u3")
    campaign_shop.campaign(["u1", "u2", "u3"], cap={"messages": 9})
    later = "UPDATE campaign_outbox SET due_at = :at WHERE user_id <> 'u2'"
    campaign_shop.sql(later, at=NOW + timedelta(hours=1))
    with mail_server(inbox) as port:
        campaign_shop.send(**mail_settings(port))
        merged(campaign_shop, "u2", "u1")
        merged(campaign_shop, "u1", "u3")  # a chain: all three are u3
        campaign_shop.set_clock(NOW + timedelta(hours=2))
        campaign_shop.send(**mail_settings(port))
    assert letters(inbox) == ["u2@shop.example"]
    assert states(campaign_shop) == {
        "u1": ("skipped", "merged"), "u2": ("sent", ""), "u3": ("skipped", "merged")
    }  # fmt: skip


def test_a_merge_that_is_told_twice_counts_nothing_twice_and_sends_nothing_again(campaign_shop):
    inbox = Inbox()
    campaign_shop.customers("u1", "u2")
    campaign_shop.campaign(["u1", "u2"], cap={"messages": 9})
    merged(campaign_shop, "u2", "u1")
    merged(campaign_shop, "u2", "u1")
    with mail_server(inbox) as port:
        campaign_shop.send(**mail_settings(port))
        merged(campaign_shop, "u2", "u1")
        campaign_shop.campaign(["u1"], "second", cap={"messages": 2})
        campaign_shop.campaign(["u1"], "third", cap={"messages": 2})
        campaign_shop.send(**mail_settings(port))
    assert letters(inbox) == ["u1@shop.example"] * 2
    assert campaign_shop.contacts() == {"u1": 2}
    assert sorted(states(campaign_shop, each)["u1"] for each in ("second", "third")) == [
        ("sent", ""), ("waiting", "capped")
    ]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), [("u2", "u1"), ("u1", "u2")])
def test_who_is_held_out_under_one_id_is_left_alone_under_all(campaign_shop, old, new):
    inbox = Inbox()
    campaign_shop.customers("u1", "u2")
    campaign_shop.campaign(["u2"])
    campaign_shop.sql(
        "INSERT INTO campaign_members (campaign_id, user_id, arm, propensity, joined_at)"
        " VALUES ('c', 'u1', 'holdout', 0.2, :at)", at=NOW,
    )  # fmt: skip
    merged(campaign_shop, old, new)
    with mail_server(inbox) as port:
        campaign_shop.send(**mail_settings(port))
    assert inbox.letters == []
    assert states(campaign_shop) == {"u2": ("skipped", "held_out")}
