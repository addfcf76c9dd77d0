"""Coupons are money: as many uses as promised, however many ask at once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count

import pytest

from engine.errors import BadInput, NotAllowed
from engine.storage.coupon_issue import generate_codes, import_codes, publish
from engine.storage.coupon_ledger import read_facts, release_reservation, settle, tidy_coupons
from engine.storage.ledger import connection_of, open_ledger, rows_of
from engine.storage.offer_ledger import add_version, create_offer, disable_offer, list_versions, offer_stats
from engine.targeting.counting import Scope, day_of, holds_of
from engine.targeting.settling import Line, Once, Plan, Use
from tests.stores import SHOP

TOTAL = Scope("uses", "offer", "total")
CUSTOMER = Scope("uses", "customer", "total")
BUDGET = Scope("money", "offer", "total")
numbers = count()


@pytest.fixture
def pool(ledger_url):
    opened = open_ledger(ledger_url, SHOP, connections=8)
    yield opened
    opened.dispose()


def offer(ledger, caps, offer_id="o", campaign_id=None):
    told = {"campaign_id": campaign_id, "actor": None, "now": time.time(), "zone": "UTC"}
    return create_offer(ledger, offer_id, {"benefit": "amount"}, {}, caps, **told)


def plan(pool, code, caps, user="u", discount=100, order=None, mode="redeem", once=None, **more):
    """The plan that facts of this moment give; None when there is no such code."""
    facts = read_facts(pool, [code], offset=0.0, once=once, reservation=more.get("reservation"))
    found = facts.coupons[code]
    holds = holds_of(
        found.offer_id, found.campaign_id, user, caps=caps, counted=found.scopes, discount=discount,
        day=day_of(facts.now, "UTC"),
    )  # fmt: skip
    use = Use(code, found.offer_id, found.version, found.newest, found.campaign_id, discount, holds)
    number = next(numbers)
    made = Plan(
        mode, f"r{number}", facts.now, 0.0, (use,), found.owners, len(found.scopes), user, once,
        order or f"order {number}", "EUR", 1_000, discount, (Line(0, "i1", 2, 500, {code: discount}),),
    )  # fmt: skip
    return replace(made, **more)


def use(pool, code, caps, user="u", **more):
    return settle(pool, plan(pool, code, caps, user, **more), "answer")


def count_of(ledger, what="redemptions"):
    with connection_of(ledger) as connection:
        return rows_of(connection, f"SELECT count(*) FROM {what}")[0][0]


def at_once(number, call):
    """What `number` threads get that begin together, and how many were inside at the same time."""
    barrier, inside, most, lock = threading.Barrier(number), 0, 0, threading.Lock()

    def one(place):
        nonlocal inside, most
        barrier.wait()
        with lock:
            inside += 1
            most = max(most, inside)
        try:
            return call(place)
        finally:
            with lock:
                inside -= 1

    with ThreadPoolExecutor(number) as threads:
        found = list(threads.map(one, range(number)))
    assert most > 1
    return found


@pytest.mark.parametrize("cap", [1, 5])
def test_a_code_for_everybody_is_used_as_often_as_its_offer_allows_by_many_at_once(ledger, pool, cap):
    offer(ledger, [TOTAL])
    import_codes(ledger, "o", ["HOT"], max_uses=None, now=time.time())
    found = at_once(16, lambda place: use(pool, "HOT", {TOTAL: cap}, f"u{place}"))
    assert [each.kind for each in found].count("done") == cap == count_of(ledger)
    assert all(each.keys for each in found if each.kind != "done")


def test_one_unique_code_is_used_once_by_many_at_once(ledger, pool):
    offer(ledger, [])
    code = publish(ledger, "o", "u", now=time.time()).code
    found = at_once(16, lambda _: use(pool, code, {}))
    assert [each.kind for each in found].count("done") == 1 == count_of(ledger)
    assert {each.kind for each in found} <= {"done", "stale"}


def test_a_customer_has_their_share_only_whatever_codes_they_bring(ledger, pool):
    offer(ledger, [CUSTOMER])
    codes = [publish(ledger, "o", "u", join_once=False, now=time.time()).code for _ in range(12)]
    found = at_once(12, lambda place: use(pool, codes[place], {CUSTOMER: 1}))
    assert [each.kind for each in found].count("done") == 1
    assert count_of(ledger, "coupons WHERE uses = 1") == 1


def test_a_budget_that_several_offers_of_a_campaign_share_is_never_overspent(ledger, pool):
    shared = Scope("money", "campaign", "total")
    for name in ("a", "b", "c"):
        offer(ledger, [shared], name, "summer")
        import_codes(ledger, name, [name.upper()], max_uses=None, now=time.time())
    found = at_once(24, lambda place: use(pool, "ABC"[place % 3], {shared: 1_000}, f"u{place}", discount=130))
    assert [each.kind for each in found].count("done") == 7
    with connection_of(ledger) as connection:
        assert rows_of(connection, "SELECT used, cap FROM counters") == [(910, 1_000)]


def test_many_repeats_of_one_request_have_one_effect_and_one_answer(ledger, pool):
    offer(ledger, [TOTAL])
    import_codes(ledger, "o", ["HOT"], max_uses=None, now=time.time())
    once = Once("key", "k-1", "hash")

    def ask(_):
        try:
            return use(pool, "HOT", {TOTAL: 9}, order="o-1", once=once).kind
        except NotAllowed as error:
            return error.code

    found = at_once(16, ask)
    assert found.count("done") == 1 == count_of(ledger)
    assert set(found) <= {"done", "replay", "request_in_flight"}
    assert read_facts(pool, ["HOT"], offset=0.0, once=once).told.answer == "answer"
    with pytest.raises(BadInput, match="came with another request"):
        read_facts(pool, ["HOT"], offset=0.0, once=replace(once, hash="another"))


def test_an_order_redeems_once_under_whatever_key(ledger, pool):
    offer(ledger, [TOTAL])
    import_codes(ledger, "o", ["HOT"], max_uses=None, now=time.time())
    found = at_once(12, lambda _: use(pool, "HOT", {TOTAL: 100}, order="the order"))
    assert [each.kind for each in found].count("done") == 1
    assert [each.order_taken for each in found].count(True) == 11
    with connection_of(ledger) as connection:
        assert rows_of(connection, "SELECT used FROM counters") == [(1,)]


def test_a_reservation_counts_and_is_redeemed_or_given_back_once(ledger, pool):
    offer(ledger, [TOTAL])
    import_codes(ledger, "o", ["HOT"], max_uses=None, now=time.time())
    caps = {TOTAL: 1}
    held = plan(pool, "HOT", caps, mode="reserve", until=time.time() + 60)
    assert settle(pool, held).kind == "done"
    assert use(pool, "HOT", caps, "another").kind == "refused"
    assert use(pool, "HOT", caps, reservation=held.id).kind == "done"
    assert use(pool, "HOT", caps, reservation=held.id).kind == "stale"
    assert not release_reservation(pool, held.id, now=time.time())


def test_many_who_release_one_reservation_give_back_one_use(ledger, pool):
    offer(ledger, [TOTAL])
    code = publish(ledger, "o", "u", now=time.time()).code
    held = plan(pool, code, {TOTAL: 1}, mode="reserve", until=time.time() + 60)
    settle(pool, held)
    assert at_once(8, lambda _: release_reservation(pool, held.id, now=time.time())).count(True) == 1
    assert use(pool, code, {TOTAL: 1}).kind == "done"


def test_a_reservation_whose_time_is_over_is_given_back_by_the_next_who_asks(ledger, pool):
    offer(ledger, [TOTAL])
    import_codes(ledger, "o", ["HOT", "COLD"], max_uses=None, now=time.time())
    settle(pool, plan(pool, "HOT", {TOTAL: 1}, mode="reserve", until=time.time() + 0.1))
    time.sleep(0.15)
    assert use(pool, "COLD", {TOTAL: 1}).kind == "done"
    settle(pool, plan(pool, "HOT", {}, mode="reserve", until=time.time() + 0.1))
    time.sleep(0.15)
    assert tidy_coupons(pool, now=time.time()) == 1


def test_a_validation_tells_the_same_and_changes_nothing(ledger, pool):
    offer(ledger, [TOTAL])
    import_codes(ledger, "o", ["HOT"], max_uses=None, now=time.time())
    assert use(pool, "HOT", {TOTAL: 1}, mode="validate").kind == "done"
    assert count_of(ledger) == count_of(ledger, "counters") == 0
    use(pool, "HOT", {TOTAL: 1})
    assert use(pool, "HOT", {TOTAL: 1}, mode="validate").kind == "refused"


def test_a_disabled_offer_and_a_newer_version_make_plans_stale(ledger, pool):
    offer(ledger, [])
    import_codes(ledger, "o", ["HOT"], max_uses=None, now=time.time())
    old = plan(pool, "HOT", {})
    add_version(ledger, "o", {"benefit": "percent"}, {}, [TOTAL], actor="me", now=time.time(), zone="UTC")
    assert settle(pool, old).kind == "stale"
    assert [each.version for each in list_versions(ledger, "o")] == [2, 1]
    old = plan(pool, "HOT", {})
    disable_offer(ledger, "o")
    assert settle(pool, old).kind == "stale"
    assert read_facts(pool, ["HOT"], offset=0.0).coupons["HOT"].disabled
    with pytest.raises(NotAllowed, match="disabled"):
        generate_codes(ledger, "o", 1, now=time.time())


def test_a_limit_that_a_new_version_brings_counts_what_was_used_before(ledger, pool):
    offer(ledger, [])
    import_codes(ledger, "o", ["HOT"], max_uses=None, now=time.time())
    for each in range(3):
        use(pool, "HOT", {}, f"u{each}")
    add_version(ledger, "o", {"benefit": "percent"}, {}, [TOTAL, CUSTOMER], actor=None, now=time.time(), zone="UTC")
    assert use(pool, "HOT", {}, "u9").kind == "done"  # by its old version, which limits nothing, and counted
    assert use(pool, "HOT", {TOTAL: 4}, "u10").kind == "refused"
    assert use(pool, "HOT", {TOTAL: 5, CUSTOMER: 1}, "u1").kind == "refused"
    assert use(pool, "HOT", {TOTAL: 5, CUSTOMER: 1}, "u10").kind == "done"
    assert offer_stats(ledger, "o").orders == 5


def test_the_terms_of_a_version_are_never_changed(ledger):
    offer(ledger, [])
    for statement in ("UPDATE offer_versions SET terms = '{}'", "DELETE FROM offer_versions"):
        with pytest.raises(Exception, match="never changed"), connection_of(ledger) as connection:
            rows_of(connection, statement)


def test_a_source_always_gets_the_same_code_and_a_customer_one_of_an_offer(ledger):
    offer(ledger, [])
    generate_codes(ledger, "o", 3, "SUMMER-############", now=time.time())
    found = at_once(8, lambda _: publish(ledger, "o", "u", "mail 1", now=time.time()))
    assert len({each.code for each in found}) == 1
    assert [each.fresh for each in found].count(True) == 1
    assert found[0].code.startswith("SUMMER-")
    assert publish(ledger, "o", "u", "mail 2", now=time.time()).code == found[0].code
    others = at_once(4, lambda place: publish(ledger, "o", f"v{place}", now=time.time()).code)
    assert len({*others, found[0].code}) == 5
    with pytest.raises(NotAllowed, match="source_id"):
        publish(ledger, "o", "v1", "mail 1", now=time.time())


def test_codes_made_elsewhere_are_taken_over_once(ledger):
    offer(ledger, [])
    offer(ledger, [], "another")
    assert import_codes(ledger, "o", ["A", "B", "A"], now=time.time()) == (2, 0)
    assert import_codes(ledger, "o", ["B", "C"], now=time.time()) == (1, 1)
    with pytest.raises(NotAllowed, match="'A' belongs to another offer"):
        import_codes(ledger, "another", ["D", "A"], now=time.time())
    assert count_of(ledger, "coupons") == 3
    with pytest.raises(BadInput) as refused:
        import_codes(ledger, "o", ["E", " "], now=time.time())
    assert refused.value.position == 1
