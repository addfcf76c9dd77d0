"""The till's promises under load, in small, and that its checker finds what it is there to find."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from engine.storage.ledger import connection_of, rows_of
from experiments.findings import Conditions
from experiments.redemption_history import Call, Promise, check
from experiments.redemptions_bench import measure_redemptions
from tests.stores import SHOP

#: Figures of a pace, which a busy machine may miss.
PACES = ("a second", "p95", "seconds for", "medians")


@pytest.fixture
def judged(ledger, ledger_url, tmp_path):
    """What the checker says of some calls, each of which the ledger stored."""

    def judge(promise, calls, *, stored=None):
        with connection_of(ledger) as connection:
            for call in stored if stored is not None else calls:
                rows_of(
                    connection,
                    "INSERT INTO redemption_stacks (redemption_id, order_id, currency, subtotal, discount, redeemed_at)"
                    " VALUES (:id, :order, 'EUR', 1000, :discount, now()) ON CONFLICT DO NOTHING",
                    id=call.redemption_id,
                    order=call.order_id,
                    discount=call.discount,
                )
                rows_of(
                    connection,
                    "INSERT INTO redemptions (redemption_id, code, offer_id, version, discount, holds, redeemed_at)"
                    " VALUES (:id, 'A', 'o', 1, :discount, '[]', now()) ON CONFLICT DO NOTHING",
                    id=call.redemption_id,
                    discount=call.discount,
                )
        history = tmp_path / "calls.jsonl"
        lines = [{"promised": "R", **asdict(promise)}, *map(asdict, calls)]
        history.write_text("".join(json.dumps(each) + "\n" for each in lines))
        return check(history, ledger_url, SHOP)

    return judge


def call(number, **more):
    told = Call(
        "R", f"k{number}", f"o{number}", f"u{number}", "A", number, number + 1.5, 201, f"r{number}", 100, f"d{number}"
    )
    return replace(told, **more)


def test_a_history_that_keeps_its_promises_is_sound(judged):
    verdict = judged(Promise(uses=2, money=200), [call(1), call(2), call(3, status=409, redemption_id=None)][:2])
    assert (verdict.sound, verdict.contended, verdict.overlaps, verdict.effects) == (True, 1, 2, 2)


@pytest.mark.parametrize(
    ("promise", "calls", "fault"),
    [
        (Promise(uses=1), [call(1), call(2)], "over"),
        (Promise(money=150), [call(1), call(2)], "over"),
        (Promise(each=1), [call(1), call(2, user_id="u1")], "over"),
        (Promise(uses=2), [call(1), call(2, status=409, redemption_id="", digest="coupon_refused")], "short"),
        (Promise(), [call(1), call(2, key="k1")], "two_answers"),
    ],
)
def test_what_breaks_a_promise_is_found(judged, promise, calls, fault):
    verdict = judged(promise, calls, stored=[each for each in calls if each.status == 201])
    assert (getattr(verdict, fault), verdict.sound) == (1, False)


def test_what_the_ledger_lacks_or_nobody_asked_for_is_found(judged):
    assert judged(Promise(), [call(1), call(2)], stored=[call(1)]).lost == 1
    assert judged(Promise(), [call(1)], stored=[call(7)]).phantom == 1
    assert judged(Promise(), [call(1, discount=99)], stored=[]).wrong_money == 1


def test_the_till_keeps_its_promises_under_races_repeats_and_kills(tmp_path):
    found = measure_redemptions(Conditions(quick=True, data=tmp_path, scratch=tmp_path))
    broken = [each for each in found.asked if not each.met and not any(word in each.what for word in PACES)]
    assert broken == []
