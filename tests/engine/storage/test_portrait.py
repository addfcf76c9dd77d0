"""The portrait: one customer from all sides."""

import json

import pytest

from engine.errors import NotEnoughData, UnknownThing
from engine.storage.home import Home
from engine.storage.portrait import MOST_EVENTS, portrait
from engine.targeting.traits import TRAITS
from engine.thresholds import read_thresholds
from tests.engine.storage.shoppers import NOW, Shoppers, order

ASKED = {"now": NOW.timestamp(), "thresholds": read_thresholds("")}


@pytest.fixture
def shop(tmp_path):
    return Shoppers(Home(tmp_path))


def test_it_tells_traits_by_their_parts_and_the_newest_events_first(shop):
    shop.sells(a={"categories": ["Milk"]})
    shop.knows(u={"region": "湖北"})
    shop.happened(order("u", 3, 250), ("u", "view", 1, {"item_id": "a"}), order("v", 1, 900))
    shop.refreshed()
    found = portrait(shop.home, "u", **ASKED)
    assert found["traits"]["declared"]["region"] == "湖北"
    assert found["traits"]["orders"]["spend"] == 250
    assert [each["type"] for each in found["events"]] == ["view", "purchase"]
    assert found["interests"][0]["category"] == "Milk"
    assert json.loads(json.dumps(found)) == found
    shown = {name for part in found["traits"].values() for name in part}
    assert shown == {each.name for each in TRAITS} - {"interest_evidence"}


def test_a_long_history_is_told_by_its_newest_events(shop):
    shop.happened(*(("u", "view", ago / 10, {"item_id": "a"}) for ago in range(MOST_EVENTS + 5)))
    shop.refreshed()
    assert len(portrait(shop.home, "u", **ASKED)["events"]) == MOST_EVENTS


def test_whoever_is_only_a_document_has_a_portrait_too(shop):
    shop.knows(u={})
    shop.refreshed()
    assert portrait(shop.home, "u", **ASKED)["events"] == []


def test_somebody_unknown_is_said_to_be_so(shop):
    with pytest.raises(NotEnoughData):
        portrait(shop.home, "u", **ASKED)
    shop.knows(u={})
    shop.refreshed()
    with pytest.raises(UnknownThing, match="there is no user"):
        portrait(shop.home, "u' OR 1=1 --", **ASKED)
