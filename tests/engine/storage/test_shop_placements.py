"""The lists that a command knows, and what they ask of the lake beside ids."""

from __future__ import annotations

import pyarrow as pa
import pytest

from engine.errors import BadInput, NotEnoughData, UnknownThing
from engine.recommend.answer import NOTHING_TOLD
from engine.recommend.placement_reader import read_placement
from engine.recommend.placements import PLACEMENTS
from engine.storage.batch import lists_for_users
from engine.storage.customer_refresh import refresh_customers
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.memberships import Rule
from engine.storage.placements import placement_file, remember
from engine.storage.shop_placements import shop_placement, told_of
from tests.bundles import AS_OF, toy_bundle
from tests.engine.storage.shoppers import NOW, Shoppers, order

NOW_SECONDS = NOW.timestamp()


def never():
    raise AssertionError("the ledger is asked for names only that nothing else knows")


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path)
    made.shop_folder.mkdir(parents=True)
    return made


def test_of_one_name_the_ledgers_wins_over_the_files_and_that_over_the_one_built_in(home):
    assert shop_placement(home, "home", never) is PLACEMENTS["home"]
    placement_file(home).write_text('[home]\nmost = 7\n[cart]\nlike = "similar"\nmost = 8')
    assert shop_placement(home, "home", never).most == 7
    remember(home, {"home": {"most": 9}})
    assert [shop_placement(home, name, never).most for name in ("home", "cart", "similar")] == [9, 8, 100]


def test_a_name_that_only_the_ledger_knows_is_asked_of_it(home):
    asked = []

    def ledger():
        asked.append(1)
        return {"late": {"like": "home", "most": 5}}

    assert shop_placement(home, "late", ledger).most == 5
    with pytest.raises(UnknownThing, match="did you mean late") as refused:
        shop_placement(home, "lat", ledger)
    assert (refused.value.field, len(asked)) == ("placement", 2)


def test_a_file_that_is_wrong_is_told_with_its_place(home):
    placement_file(home).write_text('[cart]\nlike = "hom"')
    with pytest.raises(BadInput) as refused:
        shop_placement(home, "home", never)
    assert refused.value.position == "2:1"


def test_what_a_list_asks_of_the_user_is_read_from_the_lake(home):
    lake, bundle = Lake(home), toy_bundle()
    rows = {"user_id": ["u5", "u6"], "attributes": ['{"likes": "red"}', '{"likes": "red"}'], "deleted": [False, True]}
    lake.put_users(pa.table(rows))
    red = read_placement("red", {"like": "home", "filter": "attributes.colour = user.attributes.likes"})
    told = told_of(home, bundle, lake, red, ["u5", "u6", "u7"], now=AS_OF)
    assert told("u5").user["attributes"] == {"likes": "red"}
    assert told("u6").user == told("u7").user == {}
    lists = lists_for_users(bundle, lake, ["u5", "u6"], red, limit=5, now=AS_OF, as_of=None, told=told)
    assert lists["user_id"].to_pylist() == ["u5"] * 5
    assert all(int(name[1:]) % 3 == 0 for name in lists["item_id"].to_pylist())
    assert told_of(home, bundle, lake, PLACEMENTS["home"], ["u5"], now=AS_OF)("u5") == NOTHING_TOLD


def test_what_sold_within_a_window_is_counted_in_the_customers_files(home):
    shoppers, bundle = Shoppers(home), toy_bundle()
    shoppers.happened(order("ann", 1, 100, "i50"), order("ann", 2, 100, "i50"), order("bob", 3, 100, "i60"))
    mine = read_placement("mine", {"like": "best-sellers", "window": "7d", "segment": "friends", "fill": False})
    with pytest.raises(NotEnoughData):
        told_of(home, bundle, shoppers.lake, mine, [], now=NOW_SECONDS)
    rules = [Rule("friends", 1, "SELECT person FROM listed", ["bob"])]
    refresh_customers(home, now=NOW_SECONDS, zone="UTC", rules=rules)

    def items(placement):
        told = told_of(home, bundle, shoppers.lake, placement, [], now=NOW_SECONDS)
        lists = lists_for_users(bundle, shoppers.lake, ["u1"], placement, limit=3, now=AS_OF, as_of=None, told=told)
        return lists["item_id"].to_pylist()

    assert items(mine) == ["i60"]
    everybody = read_placement("all", {"like": "best-sellers", "window": "7d"})
    assert items(everybody) == ["i50", "i60", "i0"]
    strangers = read_placement("none", {"like": "best-sellers", "segment": "strangers"})
    with pytest.raises(UnknownThing) as refused:
        told_of(home, bundle, shoppers.lake, strangers, [], now=NOW_SECONDS)
    assert refused.value.code == "unknown_segment"
