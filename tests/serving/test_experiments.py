"""Experiments and exploring over HTTP: from a definition to the answers, the log, the lake and the report."""

from __future__ import annotations

from collections import Counter

import pytest

from engine.recommend.answer import Told, answer
from engine.recommend.exploring import seed_of
from engine.recommend.placement_reader import read_placement
from engine.recommend.placements import seen_by
from engine.storage.drain import Drain
from engine.storage.explored_items import tried_file
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.ledger import opened_ledger
from engine.storage.placements import placement_file, put_placement
from tests.bundles import AS_OF, toy_bundle
from tests.serving.conftest import eventually, publish, storefront
from tests.serving.marketing.conftest import marketing_interface
from tests.stores import SHOP, settings_of

HOME = """
[home]
[home.experiment]
name = "best"
[home.experiment.variants.control]
weight = 0.5
[home.experiment.variants.sellers]
weight = 0.5
sources = ["popular"]
ranking = ""
newcomers = ""

[try]
like = "home"
explore = 0.4
"""


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    publish(home, toy_bundle())
    placement_file(home).write_text(HOME)
    return home


@pytest.fixture
def shop(home, stores, stream, live, ledger_url):
    """A storefront with all its stores, whose clock stands still."""
    urls = {"HAWKER_STREAM_URL": stores.stream_url, "HAWKER_REDIS_URL": stores.live_url}
    settings = settings_of(home.root, HAWKER_LEAST_FREE_MIB="0", HAWKER_POSTGRES_URL=ledger_url, **urls)
    with storefront(home, now=AS_OF, settings=settings) as running:
        running.settings, running.lake = settings, Lake(home)
        running.drain = Drain(running.lake, stream, SHOP)
        yield running


def ids(body):
    return [item["id"] for item in body["items"]]


def served(shop, number):
    """The rows of the lake, once so many lists are there."""

    def arrived():
        shop.drain.round(AS_OF)
        return shop.lake.query("SELECT count(*) AS n FROM served")["n"][0].as_py() == number

    eventually(arrived)
    return {row["recommendation_id"]: row for row in shop.lake.query("SELECT * FROM served").to_pylist()}


def test_everybody_sees_one_variant_at_every_visit_and_the_log_says_which(shop):
    drawn = read_placement("home", {"experiment": {"name": "best", "variants": {
        "control": {"weight": 0.5}, "sellers": {"weight": 0.5, "sources": ["popular"], "ranking": "", "newcomers": ""},
    }}})  # fmt: skip
    bundle, bodies = shop.runtime.live.bundle, []
    for user in [f"u{row}" for row in range(1, 20)] * 2:
        body = shop.ask(user_id=user, limit=5).json()
        seen = seen_by(drawn, user, None)
        assert body["variant"] == seen.variant
        expected = answer(bundle, seen.placement, bundle.profile(user), AS_OF, limit=5)
        assert ids(body) == [each.id for each in expected.items]
        bodies.append(body)
    assert ids(bodies[0]) == ids(bodies[19])
    assert set(Counter(body["variant"] for body in bodies)) == {"control", "sellers"}
    sessions = {shop.ask(session_id=f"s{row}", limit=2).json()["variant"] for row in range(20)}
    assert sessions == {"control", "sellers"}
    assert shop.ask(limit=2).json()["variant"] is None
    assert shop.ask(user_id="u1", placement="discover").json()["variant"] is None
    rows = served(shop, 38 + 20 + 2)
    for body in bodies:
        row = rows[body["recommendation_id"]]
        assert (row["experiment"], row["variant"], row["variant_share"]) == ("best", body["variant"], 0.5)
        assert (row["bundle_version"], row["propensities"], row["item_ids"]) == (1, None, ids(body))
    outside = [row for row in rows.values() if row["experiment"] is None]
    assert [(row["variant"], row["variant_share"]) for row in outside] == [(None, None)] * 2


def test_a_saved_filter_of_a_variant_knows_the_user(home, stores, live):
    placement_file(home).write_text(
        '[home.experiment]\nname = "e"\n[home.experiment.variants.control]\nweight = 0.001\n'
        '[home.experiment.variants.liked]\nweight = 0.999\nfilter = "attributes.colour = user.attributes.likes"\n'
    )
    settings = settings_of(home.root, HAWKER_LEAST_FREE_MIB="0", HAWKER_REDIS_URL=stores.live_url,
                           HAWKER_STREAM_URL=stores.stream_url)  # fmt: skip
    with storefront(home, now=AS_OF, settings=settings) as shop:
        shop.client.put("/v1/users/u5", json={"attributes": {"likes": "red"}})
        body = shop.ask(user_id="u5").json()
        assert body["variant"] == "liked"
        assert body["items"]
        assert all(int(name[1:]) % 3 == 0 for name in ids(body))


def test_an_explored_list_is_marked_logged_with_its_chances_and_can_be_made_again(shop):
    bundle = shop.runtime.live.bundle
    placement = read_placement("try", {"like": "home", "explore": 0.4})
    bodies = [shop.ask(placement="try", user_id="u5", limit=6, explain=True).json() for _ in range(15)]
    assert len({tuple(ids(body)) for body in bodies}) > 5
    rows = served(shop, 15)
    for body in bodies:
        again = answer(bundle, placement, bundle.profile("u5"), AS_OF, limit=6,
                       told=Told(seed=seed_of(body["recommendation_id"])))  # fmt: skip
        assert ids(body) == [each.id for each in again.items]
        row = rows[body["recommendation_id"]]
        assert row["propensities"] == pytest.approx(list(again.propensities))
        assert row["sources"] == [item["source"] for item in body["items"]]
        for item, chance in zip(body["items"], row["propensities"], strict=True):
            assert (item["source"] == "explored") == (chance < 0.5) == item["reason"].startswith("tried out; ")
    assert any(item["source"] == "explored" for body in bodies for item in body["items"])


def test_further_pages_of_an_explored_list_stay_what_they_are_and_repeat_nothing(shop):
    plain = ids(shop.ask(placement="discover", user_id="u5", limit=5).json())
    assert plain == ids(shop.ask(placement="discover", user_id="u5", limit=5).json())
    for _ in range(5):
        first = shop.ask(placement="try", user_id="u5", limit=8, pages=True).json()
        more = [shop.client.post(f"/v1/recommendations/{first['recommendation_id']}/next", json={"limit": 8}).json()
                for _ in range(2)]  # fmt: skip
        assert ids(more[0]) == ids(more[1])
        assert not set(ids(first)) & set(ids(more[0]))
        assert not any(item["source"] == "explored" for item in more[0]["items"])
    pages = shop.ask(user_id="u5", limit=4, pages=True).json()
    following = shop.client.post(f"/v1/recommendations/{pages['recommendation_id']}/next", json={}).json()
    assert following["variant"] == pages["variant"] is not None
    rows = served(shop, 2 + 5 * 3 + 2)
    row = rows[following["recommendation_id"]]
    assert (row["experiment"], row["variant"], row["variant_share"]) == ("best", following["variant"], 0.5)


def test_storefronts_take_up_what_exploring_found(home):
    placement_file(home).write_text('[try]\nlike = "home"\nnewcomers = ""\nexplore = { share = 0.5, by = "results" }\n')
    with storefront(home, now=AS_OF) as shop:

        def explored(number):
            bodies = [shop.ask(placement="try", user_id="u5", limit=5).json() for _ in range(number)]
            return Counter(item["id"] for body in bodies for item in body["items"] if item["source"] == "explored")

        before = explored(60)
        loved = min(before)
        text = f'{{"try": {{"usual": 0.05, "items": {{"{loved}": [500, 400]}}}}}}'
        tried_file(home).write_text(text)
        eventually(lambda: shop.runtime.tried.of("try").items)
        assert explored(60)[loved] > before[loved]
        tried_file(home).write_text("[]")
        eventually(lambda: not shop.runtime.tried.of("try").items)
        assert shop.ask(placement="try", user_id="u5").status_code == 200


def test_a_report_follows_what_was_served_shown_clicked_and_bought(shop, home):
    events, bought = [], Counter()
    for row in range(1, 20):
        body = shop.ask(user_id=f"u{row}", limit=4).json()
        told = {"user_id": f"u{row}", "recommendation_id": body["recommendation_id"]}
        events += [{**told, "type": "exposure", "item_id": item} for item in ids(body)[:2]]
        events += [{**told, "type": "click", "item_id": ids(body)[0]}]
        if row % 3 == 0:
            sale = {
                "type": "purchase",
                "item_id": ids(body)[0],
                "order_id": f"o{row}",
                "amount": 100,
                "currency": "EUR",
            }
            events.append({"user_id": f"u{row}", **sale})
            bought[body["variant"]] += 1
    events = [{"event_id": f"e{n}", "time": "2023-11-14T22:13:20Z", **each} for n, each in enumerate(events)]
    assert shop.client.post("/v1/events", json={"events": events}).json()["rejected"] == []
    served(shop, 19)
    with marketing_interface(home, shop.settings, now=AS_OF + 10) as office:
        report = office.get("/v1/placements/home/report").json()
        assert (report["experiment"], report["exposed"], report["crossed"]) == ("best", True, 0)
        assert [each["variant"] for each in report["variants"]] == ["control", "sellers"]
        assert sum(each["people"] for each in report["variants"]) == 19
        for each in report["variants"]:
            assert (each["shown"], each["clicks"]) == (2 * each["people"], each["people"])
            assert (each["click_through"], each["orders"]) == (0.5, bought[each["variant"]])
            assert each["revenue"] == 100 * bought[each["variant"]]
            (version,) = each["versions"]
            assert (version["bundle_version"], version["clicks"]) == (1, each["clicks"])
        assert [each["measure"] for each in report["variants"][1]["effects"]] == [
            "click_through", "conversion", "revenue", "spent"
        ]  # fmt: skip
        assert not report["sample_ratio"]["alarm"]
        assert report["exploration"] is None
        assert any("nothing differs" in each for each in report["sentences"])
        zh = office.get("/v1/placements/home/report", language="zh").json()["sentences"]
        assert any("尚未超出偶然" in each for each in zh)
        for asked, status, field in (
            ({"days": 0}, 422, "days"), ({"days": 1000}, 422, "days"), ({"language": "de"}, 422, "language"),
            ({"experiment": "B!"}, 422, "experiment"), ({"experiment": "other"}, 404, "experiment"),
        ):  # fmt: skip
            refused = office.get("/v1/placements/home/report", **asked)
            assert (refused.status_code, refused.json()["field"]) == (status, field)
        assert office.get("/v1/placements/nowhere/report").json()["code"] == "unknown_placement"


def test_an_experiment_of_the_ledger_reaches_storefronts_and_the_answers(home, ledger_url):
    settings = settings_of(home.root, HAWKER_POSTGRES_URL=ledger_url)
    running = {"name": "e", "variants": {"control": {"weight": 0.001}, "b": {"weight": 0.999}}}
    with storefront(home, now=AS_OF, settings=settings) as shop:
        with opened_ledger(ledger_url, SHOP) as ledger:
            put_placement(ledger, "discover", {"experiment": running}, actor=None, now=AS_OF)
        eventually(lambda: shop.ask(placement="discover", user_id="u5").json()["variant"] == "b")
