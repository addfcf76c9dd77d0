"""Memberships: who enters and who leaves, and the record of it."""

from datetime import timedelta

import pytest

from engine.storage.customer_files import CustomerFiles
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
