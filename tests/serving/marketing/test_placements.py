"""Placements as configuration: over HTTP, in the shop's file, and in storefronts that go on without the ledger."""

from __future__ import annotations

import pytest

from engine.errors import BadInput
from engine.storage.home import Home
from engine.storage.ledger import opened_ledger
from engine.storage.placements import placement_file, put_placement, remembered
from serving.placement_book import PlacementBook
from tests.bundles import AS_OF, toy_bundle
from tests.serving.conftest import eventually, publish, storefront
from tests.stores import SHOP, settings_of

CART = {"like": "bought-together", "filter": "price < 150", "pin": [{"item_id": "i9", "position": 1}]}


def test_a_placement_is_put_shown_and_removed(office):
    made = office.client.put("/v1/placements/cart", json=CART)
    assert made.status_code == 200
    assert (made.json()["origin"], made.json()["definition"]) == ("ledger", CART)
    assert office.client.get("/v1/placements/cart").json() == made.json()
    names = [each["name"] for each in office.client.get("/v1/placements").json()["placements"]]
    assert names == sorted(names)
    assert {"cart", "home"} <= set(names)
    assert office.client.get("/v1/placements/home").json()["origin"] == "built-in"
    assert office.client.delete("/v1/placements/cart").json() == {"deleted": True}
    for answer in (office.client.get("/v1/placements/cart"), office.client.delete("/v1/placements/home")):
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_placement")


def test_what_is_defined_is_kept_in_a_file_for_commands(office):
    office.client.put("/v1/placements/cart", json=CART)
    assert remembered(office.home)["cart"] == CART
    office.client.delete("/v1/placements/cart")
    assert "cart" not in remembered(office.home)


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("cart", {"like": "best-sellers", "window": "2d"}, "window"),
        ("cart", {"like": "home", "window": "7d"}, "window"),
        ("cart", {"like": "home", "segment": "vips"}, "segment"),
        ("cart", {"like": "hom"}, "like"),
        ("cart", {"like": "home", "sources": ["poplar"]}, "sources"),
        ("cart", {"like": "home", "filter": "prise > 1"}, "filter"),
        ("cart", {"like": "home", "hue": 1}, "hue"),
        ("cart", {}, "like"),
        ("Cart!", {"like": "home"}, "name"),
    ],
)
def test_a_placement_that_means_nothing_is_refused_by_name(office, name, body, field):
    answer = office.client.put(f"/v1/placements/{name}", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_storefronts_take_up_what_is_defined_and_go_on_without_the_ledger(tmp_path, ledger_url):
    home = Home(tmp_path / "home")
    publish(home, toy_bundle())
    settings = settings_of(home.root, HAWKER_POSTGRES_URL=ledger_url)
    with storefront(home, now=AS_OF, settings=settings) as shop:
        assert shop.ask(placement="cart", item_ids=["i3"]).status_code == 404
        with opened_ledger(ledger_url, SHOP) as ledger:
            put_placement(ledger, "cart", CART, actor="anna", now=AS_OF)
        eventually(lambda: shop.ask(placement="cart", item_ids=["i3"]).status_code == 200)
        body = shop.ask(placement="cart", item_ids=["i3"], limit=3).json()
        assert (body["items"][0]["id"], body["items"][0]["promoted"]) == ("i9", True)
        assert shop.ask(placement="cart").json()["field"] == "item_ids"
    assert remembered(home) == {"cart": CART}
    with storefront(home, now=AS_OF, settings=settings_of(home.root)) as without:
        assert without.ask(placement="cart", item_ids=["i3"], limit=3).json()["items"][0]["id"] == "i9"


def test_a_file_that_is_wrong_stops_the_start_and_a_later_change_of_it_does_not(tmp_path):
    home = Home(tmp_path / "home")
    publish(home, toy_bundle())
    file = placement_file(home)
    file.write_text('[cart]\nlike = "hom"')
    with pytest.raises(BadInput) as refused:
        PlacementBook(home)
    assert refused.value.position == "2:1"
    file.write_text('[cart]\nlike = "home"\npin = [{item_id = "i9", position = 1}]')
    with storefront(home, now=AS_OF) as shop:
        assert shop.ask(placement="cart").json()["items"][0]["id"] == "i9"
        file.write_text('[cart]\nlike = "home"\nmost = "many"')
        eventually(lambda: shop.get("/health/ready").json()["problem"])
        assert "placements.toml:3:1" in shop.get("/health/ready").json()["problem"]
        assert shop.ask(placement="cart").json()["items"][0]["id"] == "i9"
        file.unlink()
        eventually(lambda: shop.ask(placement="cart").status_code == 404)
        assert shop.get("/health/ready").json()["problem"] is None


def test_an_experiment_is_put_goes_on_under_its_name_and_ends_with_a_kept_variant(office):
    running = {"name": "e", "variants": {"control": {"weight": 0.5}, "b": {"weight": 0.5, "diversity": 0.6}}}
    body = {"like": "home", "diversity": 0.2, "explore": 0.1, "experiment": running}
    assert office.client.put("/v1/placements/cart", json=body).json()["definition"] == body
    assert office.client.put("/v1/placements/cart", json=body).status_code == 200
    heavier = {**running, "variants": {"control": {"weight": 0.9}, "b": {"weight": 0.1, "diversity": 0.6}}}
    refused = office.client.put("/v1/placements/cart", json={**body, "experiment": heavier})
    assert (refused.status_code, refused.json()["code"]) == (409, "experiment_runs")
    named_anew = {**body, "experiment": {**heavier, "name": "f"}}
    assert office.client.put("/v1/placements/cart", json=named_anew).status_code == 200
    assert office.client.post("/v1/placements/cart/keep", json={"variant": "z"}).json()["field"] == "variant"
    kept = office.client.post("/v1/placements/cart/keep", json={"variant": "b"}).json()["definition"]
    assert kept == {"like": "home", "diversity": 0.6, "explore": 0.1}
    again = office.client.post("/v1/placements/cart/keep", json={"variant": "b"})
    assert (again.status_code, again.json()["code"]) == (409, "no_experiment")
    assert office.client.post("/v1/placements/home/keep", json={"variant": "b"}).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"explore": 2}, "explore.share"),
        ({"experiment": {"name": "e"}}, "experiment.variants"),
        ({"experiment": {"name": "e", "variants": {"control": {"weight": 0.5}, "b": {"weight": 0.4}}}},
         "experiment.variants"),
        ({"experiment": {"name": "e", "variants": {"control": {"weight": 0.5},
                                                   "b": {"weight": 0.5, "sources": ["poplar"]}}}},
         "experiment.variants.b.sources"),
    ],
)  # fmt: skip
def test_an_experiment_that_means_nothing_is_refused_by_name(office, body, field):
    refused = office.client.put("/v1/placements/cart", json={"like": "home", **body})
    assert (refused.status_code, refused.json()["field"]) == (422, field)
