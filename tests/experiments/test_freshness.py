"""Own events are in the next answer, measured over HTTP with two storefronts."""

from __future__ import annotations

from experiments.freshness_bench import Fresh, fresh_answers, judged
from experiments.traffic.served import served


def test_what_somebody_did_is_in_their_next_list_of_either_storefront(own_home, tiny_shop):
    with served(own_home.root, workers="2") as shop:
        found = fresh_answers(shop, tiny_shop.users["user_id"].to_pylist(), 12)
    assert [each.kind for each in found].count("purchase") == 3
    assert judged(found).figures["all"]["never"] == 0


def test_an_event_that_no_answer_obeys_is_not_met():
    found = [Fresh("view", 0.01, 1)] * 98 + [Fresh("view", 5.1, 40)] * 2
    assert [each.met for each in judged(found).asked] == [False, False]
    assert judged(found).figures["view"]["share_at_the_very_next_request"] == 0.98
