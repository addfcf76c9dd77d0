"""A rule that cannot be evaluated any more is set aside with its reason; the others go on, and nobody moves by it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from engine.errors import NotAllowed
from engine.storage.customer_files import CustomerFiles
from engine.storage.customer_refresh import refresh_customers
from engine.storage.live_segments import live_rules
from engine.storage.online import connect_live
from engine.storage.set_aside import check_usable, defined
from tests.engine.storage.shoppers import NOW, Shoppers, order

GONE = {"trait": "gone_trait", "op": ">=", "value": 1}


@pytest.fixture
def shop(office, stores):
    """Users u0 to u4, of whom the n-th ordered n times, and a rule from two orders on."""
    office.shop = Shoppers(office.home)
    office.shop.happened(*(order(f"u{n}", 10 + at, 100) for n in range(5) for at in range(n)))
    office.shop.happened(("u0", "view", 1, {"item_id": "a"}))
    office.runtime._real_time = lambda: NOW.timestamp()
    with connect_live(stores.live_url) as client:
        for number in range(5):
            client.set(f"default:user:u{number}", json.dumps({"user_id": f"u{number}"}))
    office.post("/v1/segments", names="Often", segment_id="often", text="orders_365d >= 2")
    return office


def broken(office, segment_id, rule=GONE):
    """As an older Hawker, or one with more event types, left it."""
    with office.runtime.doors.ledger._opened().begin() as connection:
        connection.exec_driver_sql(
            "UPDATE segments SET definition = %s::jsonb WHERE segment_id = %s", (json.dumps(rule), segment_id)
        )


def refreshed(office, *, days_later=0.0, whole=False):
    now = (NOW + timedelta(days=days_later)).timestamp()
    office.runtime._real_time = lambda: now
    with office.runtime.doors.ledger._opened().connect() as connection:
        live = live_rules(office.runtime.settings, connection)
    told = []
    done = refresh_customers(
        office.home, now=now, zone="UTC", rules=live.rules, whole=whole,
        watched={each.segment for each in live.rules}, moved=lambda *each: told.append(each),
    )  # fmt: skip
    return live.set_aside, {each.segment: (each.size, each.entered, each.left) for each in done.changes}, told


def members(office, segment):
    return [each["user_id"] for each in office.get(f"/v1/segments/{segment}/members").json()["members"]]


def test_a_rule_that_no_longer_parses_is_set_aside_and_the_others_are_refreshed(shop):
    shop.post("/v1/segments", names="Seldom", segment_id="seldom", text="orders_365d < 2")
    refreshed(shop)
    broken(shop, "often")
    shop.shop.happened(order("u1", 1, 100), order("u0", 1, 100))
    aside, sizes, told = refreshed(shop, days_later=1)
    assert set(aside) == {"often"}
    assert aside["often"].startswith("definition.trait: ")
    assert "gone_trait" in aside["often"]
    assert (sizes["often"], sizes["seldom"]) == ((3, 0, 0), (1, 0, 1))
    assert ("seldom", "left", ["u1"]) in told
    found = shop.get("/v1/segments/often").json()
    assert found["set_aside"] == aside["often"]
    listed = shop.get("/v1/segments").json()["segments"]
    assert [each["set_aside"] for each in listed] == [aside["often"], None]


@pytest.mark.parametrize("whole", [False, True])
def test_who_was_in_it_stays_in_it_and_nobody_enters_anew_once_it_is_mended(shop, whole):
    refreshed(shop)
    broken(shop, "often")
    shop.shop.happened(order("u1", 1, 100))
    for days in (1, 2):
        assert refreshed(shop, days_later=days, whole=whole)[1]["often"] == (3, 0, 0)
    page = shop.get("/v1/segments/often/members").json()
    assert [each["user_id"] for each in page["members"]] == ["u2", "u3", "u4"]
    assert page["as_of"] == NOW.isoformat()  # when it was evaluated last
    mended = shop.patch("/v1/segments/often", text="orders_365d >= 1").json()
    assert mended["set_aside"] is None
    aside, sizes, _ = refreshed(shop, days_later=3, whole=whole)
    assert (aside, sizes["often"]) == ({}, (4, 1, 0))
    assert shop.get("/v1/segments/often/members").json()["as_of"] == (NOW + timedelta(days=3)).isoformat()


def test_one_that_names_a_segment_which_is_gone_or_set_aside_is_set_aside_too(shop):
    shop.post("/v1/segments", names="Others", segment_id="others", text='not segment("often")')
    shop.post("/v1/segments", names="Most", segment_id="most", text='segment("others")')
    refreshed(shop)
    with shop.runtime.doors.ledger._opened().begin() as connection:
        connection.exec_driver_sql("DELETE FROM segments WHERE segment_id = 'often'")
    aside, sizes, _ = refreshed(shop, days_later=1)
    assert aside == {
        "others": "definition: names 'often', and there is no such segment in use",
        "most": "definition: names 'others', which is set aside",
    }
    assert (sizes["others"], sizes["most"]) == ((2, 0, 0), (2, 0, 0))
    assert members(shop, "others") == ["u0", "u1"]


def test_segments_that_name_each_other_are_set_aside(shop):
    shop.post("/v1/segments", names="More", segment_id="more", text='segment("often")')
    broken(shop, "often", {"segment": "more"})
    aside, _, _ = refreshed(shop)
    assert set(aside) == {"often", "more"}
    assert "leads back to it" in next(iter(aside.values()))


def test_one_that_was_never_evaluated_has_no_members_and_is_told_as_such(shop):
    broken(shop, "often")
    _, sizes, _ = refreshed(shop)
    assert "often" not in sizes
    assert "often" not in CustomerFiles(shop.home).state().segments
    assert shop.get("/v1/segments/often/members").status_code == 404


def test_the_rules_of_a_classification_stand_together_and_lists_by_hand_go_on(shop):
    shop.post("/v1/classes", names="Tier")
    for name, text in (("gold", "orders_365d >= 4"), ("silver", "orders_365d >= 2"), ("rest", None)):
        shop.client.put(f"/v1/classes/tier/classes/{name}", json={"names": name, "text": text})
    refreshed(shop)
    gold, silver, rest = (f"class:tier:{name}" for name in ("gold", "silver", "rest"))
    assert [members(shop, each) for each in (gold, silver)] == [["u4"], ["u2", "u3"]]
    with shop.runtime.doors.ledger._opened().begin() as connection:
        connection.exec_driver_sql(
            "UPDATE classes SET definition = %s::jsonb WHERE class_id = 'gold'", (json.dumps(GONE),)
        )
    shop.shop.happened(order("u1", 1, 100))  # two orders: silver, once it is evaluated again
    shop.post("/v1/classes/tier/assignments", class_id="rest", user_ids=["u2"])
    aside, _, _ = refreshed(shop, days_later=1)
    assert set(aside) == {gold, silver}
    assert aside[silver] == f"waits for '{gold}' of the same classification, which is set aside"
    assert [members(shop, each) for each in (gold, silver, rest)] == [["u4"], ["u3"], ["u2"]]
    told = {each["class_id"]: each["set_aside"] for each in shop.get("/v1/classes/tier").json()["classes"]}
    assert told == {"gold": aside[gold], "silver": aside[silver], "rest": None}


def test_no_campaign_is_planned_for_an_audience_that_is_set_aside(shop):
    broken(shop, "often")
    with shop.runtime.doors.ledger._opened().connect() as connection:
        words = shop.runtime.words
        assert set(defined(connection, words).set_aside) == {"often"}
        check_usable(connection, words, ["value.new"], field="audience")
        with pytest.raises(NotAllowed, match="audience: 'often' is set aside, mend its rule first") as refused:
            check_usable(connection, words, ["often"], field="audience")
    assert (refused.value.code, refused.value.field) == ("set_aside", "audience")
