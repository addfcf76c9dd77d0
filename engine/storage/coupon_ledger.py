"""Coupons in the ledger: what is known of some codes, and the one statement that uses them.

A caller reads the facts, prices without a lock, and hands over a plan: what each coupon gives and which counters it
moves. `settle` carries it out, all or nothing, under locks in a fixed order (`migrations/r0006_settle.sql`), or says
that the facts are stale. The moment of a use is the database's clock plus the shop's offset, read with the facts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from engine.errors import BadInput, NotAllowed
from engine.storage.ledger import Ledger, LedgerConnection, LedgerPool, at_once, connection_of, rows_of
from engine.targeting.counting import scope_of
from engine.targeting.settling import Coupon, Facts, Once, Outcome, Plan, Reservation, Told

#: An answer is repeated to the same key for so long; the tables are read with the same words.
KEPT_HOURS = 24
_MOST_RELEASED = 200


_FACTS = """
SELECT extract(epoch FROM clock_timestamp())::float8 + CAST(:offset AS float8),
    (SELECT jsonb_build_array(i.request_hash, i.status, i.answer) FROM idempotency i
     WHERE i.asker = :asker AND i.key = :key AND i.at > now() - interval '24 hours'),
    (SELECT w.tries FROM wrong_codes w WHERE w.asker = :guesser AND w.since > now() - interval '1 minute'),
    EXISTS (SELECT FROM redemption_stacks s WHERE s.order_id = :order_id AND s.state = 'redeemed'),
    (SELECT jsonb_build_array(r.reservation_id, r.user_id, r.codes, extract(epoch FROM r.created_at)::float8,
            r.state = 'live' AND r.expires_at > clock_timestamp() + make_interval(secs => CAST(:offset AS float8)))
     FROM reservations r WHERE r.reservation_id = :reservation),
    ARRAY(SELECT r.reservation_id FROM reservations r WHERE r.state = 'live'
     AND r.expires_at <= clock_timestamp() + make_interval(secs => CAST(:offset AS float8))
     ORDER BY r.expires_at LIMIT :most),
    (SELECT jsonb_agg(jsonb_build_array(c.code, c.offer_id, f.campaign_id, c.version, f.version, c.user_id,
            extract(epoch FROM c.issued_at)::float8, extract(epoch FROM c.expires_at)::float8, c.max_uses, c.uses,
            c.state <> 'active' OR f.state <> 'active',
            (SELECT jsonb_agg(s.scope) FROM counted_scopes s
             WHERE s.owner IN ('offer ' || c.offer_id, 'campaign ' || f.campaign_id))))
     FROM coupons c JOIN offers f ON f.offer_id = c.offer_id WHERE c.code = ANY (:codes))
"""


def read_facts(
    ledger: LedgerPool,
    codes: Sequence[str],
    *,
    offset: float,
    once: Once | None = None,
    guesser: str | None = None,
    order_id: str | None = None,
    reservation: str | None = None,
) -> Facts:
    """Everything that a use of `codes` depends on, in one round trip; unknown codes are left out.

    `offset` is what the shop's clock differs from real time, in seconds. Reservations whose time is over are given back
    first. Raises BadInput for an idempotency key that came with another request, StoreUnavailable.
    """
    while True:
        row = at_once(
            ledger,
            _FACTS,
            offset=offset,
            asker=once and once.asker,
            key=once and once.key,
            guesser=guesser,
            order_id=order_id,
            reservation=reservation,
            codes=list(codes),
            most=_MOST_RELEASED,
        )[0]
        now, told, tries, taken, held, over, found = row
        if not over:
            break
        for each in over:
            _release(ledger, each, "expired", now)
    coupons = [_coupon(each) for each in found or ()]
    return Facts(
        now,
        {each.code: each for each in coupons},
        None if told is None else _replayed(once, *told),
        tries or 0,
        taken,
        None if held is None else Reservation(held[0], held[1], tuple(held[2]), *held[3:]),
    )


def settle(ledger: LedgerPool, plan: Plan, answer: str = "") -> Outcome:
    """Carry out the plan and keep `answer` under its key, in one transaction; returns after its commit.

    Raises NotAllowed while a request with the same key is being answered, BadInput when the key came with another
    request, StoreUnavailable: then it is not known whether it is done, and the same key tells.
    """
    return _outcome(
        plan.once,
        at_once(
            ledger,
            "SELECT settle(CAST(:plan AS jsonb), CAST(:answer AS text))",
            plan=json.dumps(plan, default=_fields),
            answer=answer,
        )[0][0],
    )


def give_back(ledger: LedgerPool, plan: Mapping[str, Any], once: Once | None, answer: str) -> Outcome:
    """Take a redemption back as `plan` says (`coupon_returns.py` makes it). Raises as `settle` does."""
    document = json.dumps({**plan, "once": None if once is None else asdict(once)})
    return _outcome(
        once,
        at_once(
            ledger,
            "SELECT give_back(CAST(:plan AS jsonb), CAST(:answer AS text))",
            plan=document,
            answer=answer,
        )[0][0],
    )


def do_once(
    ledger: Ledger, once: Once, effect: Callable[[LedgerConnection], Mapping[str, Any]], *, status: int = 201
) -> tuple[Told, bool]:
    """What `effect` answers, and whether it did so before: its transaction keeps the answer under the key.

    Raises as `settle` does, and what `effect` raises; then nothing is kept.
    """
    with connection_of(ledger) as connection:
        document = json.dumps(asdict(once))
        known = rows_of(connection, "SELECT begun_before(CAST(:once AS jsonb))", once=document)[0][0]
        if known is not None:
            told = _outcome(once, known).told
            assert told is not None
            return told, True
        told = Told(status, json.dumps(effect(connection), ensure_ascii=False))
        rows_of(
            connection,
            "SELECT 1 FROM (SELECT remember_answer(CAST(:once AS jsonb), :status, :answer)) AS done",
            once=document,
            status=told.status,
            answer=told.answer,
        )
    return told, False


def read_answer(ledger: LedgerPool, once: Once) -> Told | None:
    """What this request was answered before. Raises BadInput for a key that came with another one."""
    return read_facts(ledger, [], offset=0.0, once=once).told


def release_reservation(ledger: LedgerPool, reservation_id: str, *, now: float) -> bool:
    """Give back what a reservation holds; whether it held anything still."""
    return _release(ledger, reservation_id, "released", now)


def note_wrong_code(ledger: LedgerPool, guesser: str) -> None:
    """Count a code that could not be used against whoever tried it; a minute later it is forgotten."""
    at_once(
        ledger,
        "INSERT INTO wrong_codes AS w (asker, since, tries) VALUES (:guesser, now(), 1)"
        " ON CONFLICT (asker) DO UPDATE SET"
        " tries = CASE WHEN w.since > now() - interval '1 minute' THEN w.tries + 1 ELSE 1 END,"
        " since = CASE WHEN w.since > now() - interval '1 minute' THEN w.since ELSE now() END RETURNING tries",
        guesser=guesser,
    )


def tidy_coupons(ledger: LedgerPool, *, now: float) -> int:
    """Give back what reservations hold whose time is over, forget answers and guesses that are; how many were given."""
    over = at_once(
        ledger,
        "SELECT reservation_id FROM reservations WHERE state = 'live' AND expires_at <= to_timestamp(:now)",
        now=now,
    )
    for statement in (
        f"DELETE FROM idempotency WHERE at < now() - interval '{KEPT_HOURS} hours' RETURNING 1",
        "DELETE FROM wrong_codes WHERE since < now() - interval '1 hour' RETURNING 1",
    ):
        at_once(ledger, statement)
    return sum(_release(ledger, each, "expired", now) for (each,) in over)


def _fields(value: Any) -> dict[str, Any]:
    """A frozen value as JSON has it; `asdict` copies whatever is in it, which takes longer than the rest."""
    return {name: getattr(value, name) for name in value.__slots__}


def _coupon(columns: list[Any]) -> Coupon:
    *told, scopes = columns
    told.append(tuple(map(scope_of, scopes or ())))
    return Coupon(*told)


def _release(ledger: LedgerPool, reservation_id: str, becomes: str, now: float) -> bool:
    return bool(
        at_once(
            ledger,
            "SELECT release(CAST(:id AS text), CAST(:becomes AS text), to_timestamp(:now))",
            id=reservation_id,
            becomes=becomes,
            now=now,
        )[0][0]
    )


def _outcome(once: Once | None, found: dict[str, Any]) -> Outcome:
    kind = found["outcome"]
    if kind == "in_flight":
        raise NotAllowed(
            "a request with this Idempotency-Key is being answered; ask again in a moment",
            code="request_in_flight",
            field="Idempotency-Key",
        )
    if kind == "replay":
        return Outcome("replay", told=_replayed(once, found["hash"], found["status"], found["answer"]))
    return Outcome(kind, tuple(found.get("keys", ())), found.get("order", False))


def _replayed(once: Once | None, request_hash: str, status: int, answer: str) -> Told:
    if once is None or request_hash != once.hash:
        raise BadInput(
            "Idempotency-Key: came with another request before; a new request needs a new key",
            code="idempotency_key_reused",
            field="Idempotency-Key",
        )
    return Told(status, answer)
