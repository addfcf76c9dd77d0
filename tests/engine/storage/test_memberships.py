"""Memberships: who enters and who leaves, and the record of it."""

import shutil
from datetime import timedelta

import pytest

from engine.storage.customer_files import CustomerFiles
from engine.storage.customer_refresh import refresh_customers
from engine.storage.home import Home
from engine.storage.lake_sql import open_sql
from engine.storage.memberships import Rule, changed_users, refresh_memberships
from tests.engine.storage.shoppers import NOW, Shoppers, order


@pytest.fixture
def shop(tmp_path):
    return Shoppers(Home(tmp_path))


def evaluated(shop, *rules, days_later=0.0, publish=True):
    """What each rule's segment is now, and who moved."""
    files, now = CustomerFiles(shop.home), (NOW + timedelta(days=days_later)).timestamp()
    with open_sql(files.folder / "spill") as sql:
        state = files.state()
        files.lay_out(sql, state, now)
        state, changes = refresh_memberships(sql, shop.home, files, state, list(rules), now)
        moved = {
            each.segment: (changed_users(sql, each.segment, "entered"), changed_users(sql, each.segment, "left"))
            for each in changes
        }
    if publish:
        files.publish(state)
    return {each.segment: (each.size, *moved[each.segment]) for each in changes}


LATELY = Rule("lately", 1, "SELECT person FROM traits WHERE orders_7d > 0")


def test_who_fulfils_the_rule_enters_and_who_does_not_any_more_leaves(shop):
    shop.happened(order("u", 1, 100), order("v", 6.5, 100))
    shop.refreshed()
    assert evaluated(shop, LATELY) == {"lately": (2, ["u", "v"], [])}
    shop.refreshed(days_later=1)
    assert evaluated(shop, LATELY, days_later=1) == {"lately": (1, [], ["v"])}
    assert evaluated(shop, LATELY, days_later=1.1) == {"lately": (1, [], [])}


def test_every_move_is_a_row_of_the_lake_with_its_time_and_the_rules_version(shop):
    shop.happened(order("u", 6.5, 100))
    shop.refreshed()
    evaluated(shop, LATELY)
    shop.refreshed(days_later=1)
    evaluated(shop, LATELY, days_later=1)
    rows = shop.lake.query("SELECT user_id, change, version, time FROM memberships ORDER BY time").to_pylist()
    assert [(row["user_id"], row["change"], row["version"]) for row in rows] == [("u", "entered", 1), ("u", "left", 1)]
    assert rows[1]["time"] - rows[0]["time"] == timedelta(days=1)


def test_a_refresh_that_was_stopped_before_it_was_published_is_recorded_once(shop):
    shop.happened(order("u", 1, 100))
    shop.refreshed()
    evaluated(shop, LATELY, publish=False)
    evaluated(shop, LATELY)
    assert shop.lake.query("SELECT count(*) AS n FROM memberships")["n"][0].as_py() == 1


def test_whoever_lost_the_files_takes_the_memberships_from_the_record(shop):
    shop.happened(order("u", 1, 100), order("v", 6.5, 100))
    shop.refreshed()
    evaluated(shop, LATELY)
    shutil.rmtree(CustomerFiles(shop.home).folder)
    shop.refreshed(days_later=1)
    assert evaluated(shop, LATELY, days_later=1) == {"lately": (1, [], ["v"])}
    with CustomerFiles(shop.home).reading(NOW.timestamp()) as sql:
        since = sql.sql("SELECT since FROM memberships").to_arrow_table()["since"][0].as_py()
    assert since == NOW


def test_making_everything_anew_moves_nobody(shop):
    shop.happened(order("u", 1, 100))
    rules = [LATELY]
    for whole in (False, True):
        done = refresh_customers(shop.home, now=NOW.timestamp(), zone="UTC", rules=rules, whole=whole)
    assert (done.changes[0].size, done.changes[0].entered, done.changes[0].left) == (1, 0, 0)


def test_who_moves_is_told_from_the_second_evaluation_on(shop):
    told = []

    def refreshed(days_later):
        now = (NOW + timedelta(days=days_later)).timestamp()
        refresh_customers(
            shop.home, now=now, zone="UTC", rules=[LATELY], watched={"lately"}, moved=lambda *each: told.append(each)
        )

    shop.happened(order("u", 6.5, 100))
    refreshed(0)
    assert told == []
    shop.happened(order("v", 0, 100))
    refreshed(1)
    assert told == [("lately", "entered", ["v"]), ("lately", "left", ["u"])]


def test_a_segment_may_look_up_one_before_it(shop):
    shop.happened(order("u", 1, 100), order("v", 1, 900))
    shop.refreshed()
    rich = Rule("rich", 1, "SELECT person FROM memberships JOIN traits USING (person) WHERE segment = 'lately'"
                " AND spend > 500")  # fmt: skip
    assert evaluated(shop, LATELY, rich)["rich"] == (1, ["v"], [])


def test_the_members_of_a_segment_that_is_gone_leave(shop):
    shop.happened(order("u", 1, 100))
    shop.refreshed()
    evaluated(shop, LATELY)
    evaluated(shop, days_later=0.1)
    rows = shop.lake.query("SELECT change FROM memberships ORDER BY time")["change"].to_pylist()
    assert rows == ["entered", "left"]
