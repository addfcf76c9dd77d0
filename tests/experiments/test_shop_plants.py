"""What the shop generator plants can be found again: tastes, repeats, seasons, promotions, current interests."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from experiments.shop import Shop, ShopSize, generate
from experiments.shop.departments import DEPARTMENTS
from experiments.shop.looks import CAUSES
from experiments.shop_bench import browsing_shares, top_shelf_shares

SIZE = ShopSize(users=2_000, items=600, days=180, start=date(2024, 7, 1))


@pytest.fixture(scope="module")
def shop() -> Shop:
    return generate(SIZE, seed=11)


def _numbers(ids) -> np.ndarray:
    return pc.cast(pc.utf8_slice_codeunits(ids, 1), pa.int64()).to_numpy()


def _led_by(shop: Shop, cause: str) -> pa.Table:
    return shop.reasons.filter(pc.equal(shop.reasons["cause"], cause))


def _departments(shop: Shop) -> np.ndarray:
    return np.array([path[0] for path in shop.items["categories"].to_pylist()], dtype=object)


def test_every_purchase_has_one_cause_and_every_cause_but_stray_occurs(shop):
    bought = shop.events.filter(pc.equal(shop.events["type"], "purchase"))
    assert sorted(bought["event_id"].to_pylist()) == sorted(shop.reasons["event_id"].to_pylist())
    assert set(shop.reasons["cause"].to_pylist()) == set(CAUSES) - {"stray"}


def test_taste_led_purchases_come_from_the_top_shelf_far_more_often_than_by_chance(shop):
    found, chance = top_shelf_shares(shop)
    assert found > 5 * chance


def test_planted_vectors_of_buyer_and_item_agree(shop):
    tastes, natures = np.stack(shop.tastes["taste"].to_pylist()), np.stack(shop.natures["taste"].to_pylist())
    led = _led_by(shop, "taste")
    user, item = _numbers(led["user_id"]), _numbers(led["item_id"])
    agreement = (tastes[user] * natures[item]).sum(axis=1).mean()
    by_chance = (tastes[user] * natures[np.roll(item, len(item) // 2)]).sum(axis=1).mean()
    assert agreement > by_chance + 0.2


def test_people_of_one_age_band_and_region_share_more_taste_than_strangers(shop):
    tastes = np.stack(shop.tastes["taste"].to_pylist())
    kind = np.array(
        [f"{a}/{b}" for a, b in zip(shop.users["age_band"].to_pylist(), shop.users["region"].to_pylist(), strict=True)]
    )
    likeness = tastes @ tastes.T
    same = kind[:, None] == kind[None, :]
    np.fill_diagonal(same, False)  # nobody is their own neighbour
    assert likeness[same].mean() > likeness.mean() + 0.03


def test_items_of_one_brand_are_more_alike_than_others_of_their_department(shop):
    natures = np.stack(shop.natures["taste"].to_pylist())
    natures /= np.linalg.norm(natures, axis=1, keepdims=True)
    brand, department = np.array(shop.items["brand"].to_pylist()), _departments(shop)
    likeness = natures @ natures.T
    near = department[:, None] == department[None, :]
    same = (brand[:, None] == brand[None, :]) & ~np.eye(len(brand), dtype=bool)
    assert likeness[same].mean() > likeness[near & ~same & ~np.eye(len(brand), dtype=bool)].mean() + 0.1


def test_staples_come_back_after_about_the_items_own_interval(shop):
    planted = dict(zip(shop.natures["item_id"].to_pylist(), shop.natures["interval_days"].to_pylist(), strict=True))
    last: dict[tuple[str, str], object] = {}
    ratios = []
    for row in shop.reasons.to_pylist():
        pair = (row["user_id"], row["item_id"])
        if row["cause"] == "repeat":
            assert pair in last, "a repeat needs an earlier purchase"
            assert planted[row["item_id"]] is not None
            ratios.append((row["time"] - last[pair]).total_seconds() / 86_400 / planted[row["item_id"]])
        last[pair] = row["time"]
    assert 0.85 < np.median(ratios) < 1.2
    low, high = np.quantile(ratios, [0.1, 0.9])
    assert low > 0.4
    assert high < 2.0


def test_season_led_purchases_are_of_departments_that_are_in_season(shop):
    led = _led_by(shop, "season")
    bought, months = _departments(shop)[_numbers(led["item_id"])], pc.month(led["time"]).to_numpy()
    peaks = {each.name: each.peak_month for each in DEPARTMENTS if each.season_strength > 0}
    away = [
        min((month - peaks[name]) % 12, (peaks[name] - month) % 12) for name, month in zip(bought, months, strict=True)
    ]
    assert max(away) <= 2
    toys = months[bought == "toys"]
    assert len(toys) > 20
    assert (toys >= 11).mean() > 0.8


def test_promotions_draw_those_who_mind_prices_and_cost_less(shop):
    sensitivity = shop.tastes["price_sensitivity"].to_numpy()
    promoted, all_users = _numbers(_led_by(shop, "promotion")["user_id"]), _numbers(shop.reasons["user_id"])
    assert sensitivity[promoted].mean() > sensitivity[all_users].mean() + 0.05
    price = dict(zip(shop.items["item_id"].to_pylist(), shop.items["price"].to_pylist(), strict=True))
    paid = {row["event_id"]: row for row in shop.events.filter(pc.equal(shop.events["type"], "purchase")).to_pylist()}
    for event in _led_by(shop, "promotion")["event_id"].to_pylist():
        assert paid[event]["amount"] < price[paid[event]["item_id"]] * paid[event]["quantity"]


def test_items_that_were_planted_to_grow_sell_more_later(shop):
    growth, item = shop.natures["growth"].to_numpy(), _numbers(_led_by(shop, "taste")["item_id"])
    day = _led_by(shop, "taste")["time"].cast(pa.int64()).to_numpy()
    early = day < np.median(day)
    assert growth[item[~early]].mean() > growth[item[early]].mean() + 0.1


def test_browsing_foretells_the_next_new_purchase_better_than_popularity_and_chance(shop):
    viewed, popular = browsing_shares(shop, SIZE)
    assert viewed > 1.5 * popular
    new = _led_by(shop, "browse")
    assert viewed > 10 * new.num_rows / (SIZE.users * SIZE.items)


def test_browse_led_purchases_are_looked_at_in_earlier_visits_and_taste_led_ones_hardly(shop):
    first_look: dict[tuple[str, str], str] = {}
    looked = shop.events.filter(pc.equal(shop.events["type"], "view"))
    for row in looked.select(["user_id", "item_id", "session_id"]).to_pylist():
        first_look.setdefault((row["user_id"], row["item_id"]), row["session_id"])
    bought = shop.events.filter(pc.equal(shop.events["type"], "purchase"))
    visit = dict(zip(bought["event_id"].to_pylist(), bought["session_id"].to_pylist(), strict=True))
    before: dict[str, list[bool]] = {"browse": [], "taste": []}
    for row in shop.reasons.to_pylist():
        if row["cause"] in before:
            before[row["cause"]].append(first_look[(row["user_id"], row["item_id"])] != visit[row["event_id"]])
    assert np.mean(before["browse"]) > 0.75
    assert np.mean(before["browse"]) > np.mean(before["taste"]) + 0.3


def test_stars_rise_with_the_fit_of_item_and_user(shop):
    tastes, natures = np.stack(shop.tastes["taste"].to_pylist()), np.stack(shop.natures["taste"].to_pylist())
    rated = shop.events.filter(pc.equal(shop.events["type"], "rating"))
    stars = np.array([int(text[len('{"value":') : -1]) for text in rated["properties"].to_pylist()])
    fit = (tastes[_numbers(rated["user_id"])] * natures[_numbers(rated["item_id"])]).sum(axis=1)
    assert np.corrcoef(stars, fit)[0, 1] > 0.15
