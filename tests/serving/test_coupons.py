"""The till over HTTP."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from engine.storage.coupon_issue import import_codes, publish
from engine.storage.home import Home
from engine.storage.keys import create_key
from engine.storage.ledger import connection_of, opened_ledger, rows_of
from engine.storage.offer_ledger import disable_offer
from experiments.redemption_rounds import make_offer
from tests.bundles import toy_bundle
from tests.serving.conftest import eventually, storefront
from tests.serving.conftest import publish as publish_bundle
from tests.stores import SHOP, settings_of

numbers = count()
ONCE = [{"of": "offer", "count": 1, "per": "total"}]


@pytest.fixture
def shop(ledger_url, tmp_path):
    """A storefront with a ledger, no other store, and the code HOT for everybody: 130 off."""
    home = Home(tmp_path / "home")
    publish_bundle(home, toy_bundle())
    with opened_ledger(ledger_url, SHOP) as ledger:
        make_offer(ledger, "HOT")
        with storefront(home, settings=settings_of(home.root, HAWKER_POSTGRES_URL=ledger_url)) as running:
            running.ledger = ledger
            yield running


def line(item_id="i1", **more):
    return {"item_id": item_id, "unit_price": 1, **more}


def body(*codes, user_id="anna", **more):
    lines = [line("i1", quantity=2, unit_price=500), line("i2")]
    return {"user_id": user_id, "codes": list(codes), "basket": {"currency": "EUR", "lines": lines}, **more}


def post(shop, path, content, key=None, **headers):
    told = headers | ({} if key is None else {"Idempotency-Key": key})
    return shop.client.post(f"/v1/coupons/{path}", json=content, headers=told)


def redeem(shop, *codes, key=None, order=None, **more):
    number = next(numbers)
    content = body(*codes, order_id=order or f"order {number}", **more)
    return post(shop, "redemptions", content, key or f"key-{number}")


def reasons_of(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    return [each["code"] for each in answer.json()["reasons"]]


def used(shop, what="redemption_stacks"):
    with connection_of(shop.ledger) as connection:
        return rows_of(connection, f"SELECT count(*) FROM {what}")[0][0]


def test_a_code_is_validated_reserved_and_redeemed(shop):
    make_offer(shop.ledger, "ONE", limits=ONCE)
    looked = post(shop, "validations", body("ONE")).json()
    assert (looked["valid"], looked["prices"]["discount"]) == (True, 130)
    held = post(shop, "reservations", {**body("ONE"), "ttl": "PT5M"}, "k1")
    assert held.status_code == 201
    other = post(shop, "validations", body("ONE", user_id="bob")).json()
    assert (other["valid"], other["reasons"][0]["code"]) == (False, "limit_reached")
    assert other["reasons"][0] | {"message": ""} == {
        "code": "limit_reached", "message": "", "coupon": "ONE", "of": "offer", "per": "total"
    }  # fmt: skip
    mine = redeem(shop, "ONE", reservation_id=held.json()["reservation_id"])
    assert (mine.status_code, mine.json()["prices"]["total"]) == (201, 871)
    again = redeem(shop, "ONE", reservation_id=held.json()["reservation_id"])
    assert (again.status_code, reasons_of(again)) == (409, ["reservation_over"])


def test_a_released_reservation_gives_back_what_it_held(shop):
    make_offer(shop.ledger, "ONE", limits=ONCE)
    held = post(shop, "reservations", body("ONE"), "k1").json()["reservation_id"]
    for released in (True, False):
        answer = shop.client.request("DELETE", "/v1/coupons/reservations", json={"reservation_id": held})
        assert answer.json() == {"released": released}
    assert redeem(shop, "ONE").status_code == 201


def test_a_repeated_request_gets_the_same_bytes_and_another_one_under_its_key_is_refused(shop):
    first = redeem(shop, "HOT", key="k", order="o1")
    again = redeem(shop, "HOT", key="k", order="o1")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    other = redeem(shop, "HOT", key="k", order="o2")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert used(shop) == 1


@pytest.mark.parametrize("key", [None, "x" * 256, "a b"])
def test_what_moves_money_needs_a_key(shop, key):
    for path, content in (("redemptions", body("HOT", order_id="o")), ("reservations", body("HOT"))):
        assert post(shop, path, content, key).status_code == 400
    assert post(shop, "redemptions/x/rollbacks", {}, key).status_code == 400
    assert used(shop) == 0


def test_many_repeats_at_once_have_one_effect(shop):
    with ThreadPoolExecutor(12) as threads:
        found = list(threads.map(lambda _: redeem(shop, "HOT", key="k", order="o"), range(24)))
    assert {each.status_code for each in found} <= {201, 409}
    assert len({each.content for each in found if each.status_code == 201}) == 1 == used(shop)


def test_an_order_sent_twice_redeems_once(shop):
    assert redeem(shop, "HOT", order="o").status_code == 201
    twice = redeem(shop, "HOT", order="o")
    assert (twice.status_code, reasons_of(twice)) == (409, ["order_redeemed"])


def test_an_order_sent_by_many_at_once_redeems_once(shop):
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: redeem(shop, "HOT", order="o"), range(16)))
    assert sorted(each.status_code for each in found) == [201] + [409] * 15
    assert used(shop) == 1


def test_a_basket_in_another_currency_and_a_reservation_of_somebody_else_are_refused(shop):
    abroad = post(shop, "validations", body("HOT", basket={"currency": "USD", "lines": [line()]})).json()
    assert [each["code"] for each in abroad["reasons"]] == ["other_currency"]
    held = post(shop, "reservations", body("HOT"), "k1").json()["reservation_id"]
    assert reasons_of(redeem(shop, "HOT", user_id="bob", reservation_id=held)) == ["reservation_over"]
    assert redeem(shop, "HOT", reservation_id=held).status_code == 201


def test_an_order_is_taken_back_line_by_line_and_not_twice(shop):
    make_offer(shop.ledger, "ONE", limits=ONCE)
    made = redeem(shop, "ONE").json()
    path = f"redemptions/{made['redemption_id']}/rollbacks"
    part = post(shop, path, {"lines": [{"line": 0, "quantity": 1}]}, "r1").json()
    assert (part["whole"], part["currency"]) == (False, "EUR")
    assert reasons_of(redeem(shop, "ONE")) == ["limit_reached"]
    rest = post(shop, path, {}, "r2").json()
    assert (rest["whole"], part["amount"] + rest["amount"]) == (True, made["prices"]["discount"])
    assert post(shop, path, {}, "r2").json() == rest
    assert part["refund"] + rest["refund"] == made["prices"]["total"]
    twice = post(shop, path, {}, "r3")
    assert (twice.status_code, twice.json()["code"]) == (409, "already_rolled_back")
    undone = post(shop, f"redemptions/{part['rollback_id']}/rollbacks", {}, "r5")
    assert (undone.status_code, undone.json()["code"]) == (409, "rollback_is_final")
    assert redeem(shop, "ONE").status_code == 201
    assert post(shop, "redemptions/never/rollbacks", {}, "r4").status_code == 404


def test_unknown_expired_used_and_foreign_codes_are_told_alike(shop):
    now = time.time()
    make_offer(shop.ledger, "gone")
    import_codes(shop.ledger, "gone", ["DISABLED"], now=now)
    disable_offer(shop.ledger, "gone")
    import_codes(shop.ledger, "HOT", ["USED"], now=now)
    assert redeem(shop, "USED").status_code == 201
    foreign = publish(shop.ledger, "HOT", "bob", now=now).code
    late = publish(shop.ledger, "HOT", "carl", expiry=lambda *_: now - 60, now=now).code
    told = []
    for code in ("UNKNOWN", "DISABLED", "USED", foreign, late):
        answer = redeem(shop, code)
        (reason,) = answer.json()["reasons"]
        assert reason.pop("coupon") == code
        told.append((answer.status_code, answer.json()["detail"], tuple(reason.items())))
    assert len(set(told)) == 1
    assert reasons_of(redeem(shop, late, user_id="carl")) == ["coupon_expired"]


def test_who_guesses_codes_has_to_wait(shop):
    found = [post(shop, "validations", body(f"GUESS{each}")) for each in range(12)]
    assert [each.status_code for each in found] == [200] * 10 + [429] * 2
    assert int(found[-1].headers["retry-after"]) > 1
    assert post(shop, "validations", body("HOT")).status_code == 429
    assert post(shop, "validations", body("HOT", user_id="bob")).json()["valid"]


def test_the_offers_of_a_user_tell_what_speaks_against_them(shop):
    make_offer(shop.ledger, "ONE", limits=ONCE)
    mine = publish(shop.ledger, "HOT", "a/b", now=time.time()).code
    redeem(shop, "ONE")
    found = shop.client.get("/v1/users/a%2Fb/offers").json()["offers"]
    assert {each["code"]: each["usable"] for each in found} == {mine: True, "HOT": True, "ONE": False}
    assert found[0]["code"] == mine


def test_the_offers_of_a_user_tell_that_their_own_limit_is_used_up(shop):
    make_offer(shop.ledger, "EACH", limits=[{"of": "customer", "count": 1, "per": "day"}])
    redeem(shop, "EACH", user_id="anna")

    def told(user):
        (found,) = (
            each for each in shop.client.get(f"/v1/users/{user}/offers").json()["offers"] if each["code"] == "EACH"
        )
        return found["usable"], [each["code"] for each in found["reasons"]]

    assert told("anna") == (False, ["limit_reached"])
    assert told("bob") == (True, [])


def test_without_its_ledger_the_till_is_closed_and_recommendations_go_on(shop, ledger_url):
    shop.runtime.doors.till._url = ledger_url.replace("test_", "nobody_")
    closed = redeem(shop, "HOT")
    assert (closed.status_code, closed.json()["code"]) == (503, "store_unavailable")
    assert closed.headers["retry-after"]
    assert shop.ask(user_id="u1").status_code == 200


def test_keys_need_the_scope_and_do_not_see_each_others_answers(shop):
    secrets = [create_key(shop.ledger, name, ["redeem"], now=time.time())[1] for name in ("one", "two")]
    _, other = create_key(shop.ledger, "three", ["recommend"], now=time.time())
    headers = [{"Authorization": f"Bearer {each}"} for each in (*secrets, other)]
    eventually(lambda: post(shop, "validations", body("HOT")).status_code == 401)
    first = post(shop, "redemptions", body("HOT", order_id="1"), "k", **headers[0])
    second = post(shop, "redemptions", body("HOT", order_id="2"), "k", **headers[1])
    assert (first.status_code, second.status_code) == (201, 201)
    assert post(shop, "redemptions", body("HOT", order_id="3"), "k", **headers[2]).status_code == 403


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"codes": []}, "codes"),
        ({"codes": ["A\0"]}, "codes"),
        ({"user_id": "\0"}, "user_id"),
        ({"basket": {"currency": "EUR", "lines": []}}, "basket.lines"),
        ({"basket": {"currency": "eur", "lines": [line()]}}, "basket.currency"),
        ({"basket": {"currency": "EUR", "lines": [line(unit_price=-1)]}}, "basket.lines.unit_price"),
        ({"basket": {"currency": "EUR", "lines": [line(unit_price=2**63)]}}, "basket.lines.unit_price"),
        ({"basket": {"currency": "EUR", "lines": [line(quantity=0)]}}, "basket.lines.quantity"),
        ({"basket": {"currency": "EUR", "lines": [line(currency="USD")]}}, "basket.lines.currency"),
        ({"basket": {"currency": "EUR", "lines": [line()], "shipping": -1}}, "basket.shipping"),
        ({"basket": {"currency": "EUR", "lines": [line()] * 101}}, "basket.lines"),
        ({"prize": 1}, "prize"),
    ],
)  # fmt: skip
def test_what_no_till_can_read_is_refused_by_name(shop, change, field):
    answer = post(shop, "validations", {**body("HOT"), **change})
    assert (answer.status_code, answer.json()["field"]) == (422, field)


@pytest.mark.parametrize("ttl", ["", "PT0M", "P8D", "PT30", "30", "P1M", "-PT5M", "PT99999M"])
def test_a_time_that_is_no_time_to_hold_is_refused(shop, ttl):
    assert post(shop, "reservations", {**body("HOT"), "ttl": ttl}, "k").status_code == 422
