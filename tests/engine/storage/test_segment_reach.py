"""Reach: previews heed what was said in the ledger, the shop's holdout, and who had enough today."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest

from engine.storage.consents import Word, say_consent
from engine.storage.customer_files import CustomerFiles
from engine.storage.customer_reach import Reach
from engine.storage.customer_refresh import refresh_customers
from engine.storage.home import Home
from engine.storage.ledger import connection_of, insert_new
from engine.storage.segment_preview import preview
from engine.targeting.segment_text import parse_rule
from engine.targeting.segments import Words
from engine.targeting.traits import TRAIT_FIELDS
from engine.trials.draws import fractions
from tests.engine.storage.shoppers import NOW, Shoppers

EVERYBODY = parse_rule("tenure_days >= 0", Words(TRAIT_FIELDS), field="text")


@pytest.fixture
def shop(tmp_path):
    return Shoppers(Home(tmp_path / "home"))


def looked(shop, ledger, *, share=0.0, channel="email", cap=1, days_later=0.0, whole=False):
    now = (NOW + timedelta(days=days_later)).timestamp()
    reach = Reach(ledger, "salt", share)
    refresh_customers(shop.home, now=now, zone="UTC", reach=reach, whole=whole)
    found = preview(shop.home, EVERYBODY, now=now, channel=channel, cap=cap)
    return found["reachable"], {name: number for name, number in found["unreachable_by"].items() if number}


def said(ledger, user, granted, channel="email"):
    say_consent(ledger, user, Word("marketing", channel, granted, "form"), now=NOW.timestamp())


def test_what_was_said_in_the_ledger_counts_before_the_trait_and_on_its_channel_only(shop, ledger):
    shop.happened(("yes", "subscribe", 2, {}), ("never", "login", 2, {}), ("no", "subscribe", 2, {}))
    assert looked(shop, ledger) == (2, {"no_consent": 1})
    said(ledger, "no", False, "all")
    said(ledger, "never", True)
    said(ledger, "stranger", True)
    assert looked(shop, ledger) == (2, {"no_consent": 1})
    assert looked(shop, ledger, channel="webhook") == (1, {"no_consent": 2})
    assert looked(shop, ledger, channel="storefront") == (2, {"no_consent": 1})
    said(ledger, "no", True)
    assert looked(shop, ledger) == (3, {})
    shop.happened(("stranger", "login", 1, {}))  # known only now, and what they said before counts
    assert looked(shop, ledger) == (4, {})
    assert looked(shop, ledger, whole=True) == (4, {})


def test_who_had_enough_today_is_capped_and_tomorrow_is_not(shop, ledger):
    shop.happened(("a", "subscribe", 2, {}), ("b", "subscribe", 2, {}))
    with connection_of(ledger) as connection:
        rows = [("a", "email", date(2026, 6, 1), 1), ("b", "webhook", date(2026, 6, 1), 3)]
        insert_new(connection, "contacts", ("user_id", "channel", "day", "messages"), rows)
    assert looked(shop, ledger) == (1, {"capped": 1})
    assert looked(shop, ledger, cap=2) == looked(shop, ledger, cap=None) == (2, {})
    assert looked(shop, ledger, days_later=1.0) == (2, {})


def test_the_day_of_the_cap_is_the_customers_own_where_their_zone_is_known(shop, ledger):
    """At noon of June 1st by the shop's clock it is June 2nd in Auckland already, and still night in Honolulu."""
    zones = {"auckland": "Pacific/Auckland", "honolulu": "Pacific/Honolulu", "odd": "Nowhere/Land", "here": None}
    shop.knows(**{name: {"zone": zone} for name, zone in zones.items()})
    shop.happened(*[(name, "subscribe", 2, {}) for name in zones])
    with connection_of(ledger) as connection:
        rows = [(name, "email", date(2026, 6, 1), 1) for name in zones]
        insert_new(connection, "contacts", ("user_id", "channel", "day", "messages"), rows)
    assert looked(shop, ledger) == (1, {"capped": 3})  # of Auckland's that was yesterday
    assert looked(shop, ledger, days_later=0.6) == (3, {"capped": 1})  # June 2nd, but for Honolulu


def test_the_holdout_of_a_preview_is_that_of_the_launch_also_for_who_comes_later(shop, ledger):
    names = [f"u{number}" for number in range(60)]
    shop.happened(*[(name, "subscribe", 2, {}) for name in names[:40]])
    expected = (fractions("salt", names) < 0.3).tolist()
    assert looked(shop, ledger, share=0.3)[1] == {"held_out": sum(expected[:40])}
    shop.happened(*[(name, "subscribe", 1, {}) for name in names[40:]])
    assert looked(shop, ledger, share=0.3)[1] == {"held_out": sum(expected)}
    assert looked(shop, ledger, share=0.3, whole=True)[1] == {"held_out": sum(expected)}
    assert looked(shop, ledger, share=0.0) == (60, {})
    with CustomerFiles(shop.home).reading(NOW.timestamp()) as sql:
        assert sql.execute("SELECT count(*) FROM held").fetchone() == (0,)


def test_the_first_reason_that_holds_is_told(shop, ledger):
    shop.knows(off={"attributes": json.dumps({"personalization": "off"})}, child={"birthday": "2020-01-01"})
    shop.happened(*[(name, "subscribe", 2, {}) for name in ("off", "child", "upset", "fine")])
    shop.happened(("upset", "complaint_opened", 1, {}))
    said(ledger, "off", False)
    told = {"minor": 1, "opted_out": 1, "suppressed": 1}
    assert looked(shop, ledger) == (1, told)
    assert looked(shop, ledger, share=1.0) == (0, {**told, "held_out": 1})
