"""What callers of the till were told, and an independent look at whether it is so.

`python -m experiments.redemption_history FILE SHOP` prints the verdict as JSON; the ledger's address comes on stdin.
Callers write a line a call: its round, what was asked under which key, when it was sent and answered, and the answer.
The checker runs in a process of its own and reads nothing but that file and the ledger's rows of redemptions; the
counters are what it judges.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from engine.storage.ledger import LedgerPool, connection_of, opened_ledger, rows_of


@dataclass(frozen=True, slots=True)
class Call:
    """One call and its answer. Times are seconds of one clock; status 0: no answer came. `discount` in minor units."""

    round: str
    key: str
    order_id: str
    user_id: str
    code: str
    sent: float
    answered: float
    status: int
    redemption_id: str | None
    discount: int
    digest: str


@dataclass(frozen=True, slots=True)
class Promise:
    """What was promised for a round: uses and money at most, and uses for each customer."""

    uses: int | None = None
    money: int | None = None
    each: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Numbers. `short`: rounds that gave less than promised although enough asked for it; `contended`: rounds in which
    calls overlapped, and `overlaps` the most that did; `unknown`: keys that were never answered. `races` has some of
    them for the rounds whose names begin alike, up to a hyphen.
    """

    calls: int
    rounds: int
    effects: int
    unknown: int
    over: int
    short: int
    lost: int
    phantom: int
    two_answers: int
    wrong_money: int
    wrong_counters: int
    contended: int
    overlaps: int
    races: Mapping[str, Mapping[str, int]]

    @property
    def sound(self) -> bool:
        faults = (self.over, self.short, self.lost, self.phantom, self.two_answers, self.wrong_money)
        return not any(faults) and not self.wrong_counters


class CallLog:
    """The callers' own record, a line a call; a promise stands before the calls of its round."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def promise(self, name: str, promise: Promise) -> None:
        self._file.write(json.dumps({"promised": name, **asdict(promise)}) + "\n")

    def write(self, call: Call) -> None:
        self._file.write(json.dumps(asdict(call)) + "\n")


def check(history: Path, url: str, shop: str) -> Verdict:
    """Hold the callers' record against the ledger."""
    promises, calls = _read(history)
    with opened_ledger(url, shop) as ledger:
        stored, counters = _read_ledger(ledger)
    answers: dict[str, set[tuple[str | None, str]]] = defaultdict(set)
    for call in calls:
        if call.status == 201:
            answers[call.key].add((call.redemption_id, call.digest))
    told = {call.redemption_id: call for call in calls if call.status == 201}
    asked = {call.order_id for call in calls}
    races, most = _judge_rounds(promises, calls)
    unanswered = {call.key for call in calls if call.status == 0 or call.status >= 500}
    return Verdict(
        calls=len(calls),
        rounds=sum(each["rounds"] for each in races.values()),
        effects=len(told),
        unknown=len(unanswered - {call.key for call in calls if 0 < call.status < 500}),
        over=sum(each["over"] for each in races.values()),
        short=sum(each["short"] for each in races.values()),
        lost=len(told.keys() - stored.keys()),
        phantom=len({each.order_id for each in stored.values()} - asked),
        two_answers=sum(len(each) > 1 for each in answers.values()),
        wrong_money=sum(
            each.discount != each.parts or (name in told and told[name].discount != each.discount)
            for name, each in stored.items()
        ),
        wrong_counters=counters,
        contended=sum(each["contended"] for each in races.values()),
        overlaps=most,
        races=races,
    )


@dataclass(frozen=True, slots=True)
class _Stored:
    order_id: str
    discount: int
    parts: int


def _read_ledger(ledger: LedgerPool) -> tuple[dict[str, _Stored], int]:
    """What is stored of each redemption, and how many counters differ from what the redemptions moved."""
    with connection_of(ledger) as connection:
        stacks = rows_of(
            connection,
            "SELECT s.redemption_id, s.order_id, s.discount, coalesce((SELECT sum(r.discount)"
            " FROM redemptions r WHERE r.redemption_id = s.redemption_id), -1) FROM redemption_stacks s",
        )
        holds = rows_of(
            connection,
            "SELECT h.key, sum(h.add) FROM redemptions r JOIN redemption_stacks s USING (redemption_id),"
            " jsonb_to_recordset(r.holds) AS h(key text, add bigint) WHERE s.state = 'redeemed' GROUP BY h.key",
        )
        counters = dict(rows_of(connection, "SELECT key, used FROM counters WHERE used <> 0"))
    wrong = sum(counters.get(key, 0) != used for key, used in holds)
    return (
        {name: _Stored(*told) for name, *told in stacks},
        wrong + len(counters.keys() - {key for key, _ in holds}),
    )


def _judge_rounds(promises: Mapping[str, Promise], calls: Iterable[Call]) -> tuple[dict[str, dict[str, int]], int]:
    """What came of the rounds, summed by race, and how many calls were on their way at once at most."""
    by_round: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        by_round[call.round].append(call)
    races: dict[str, Counter[str]] = defaultdict(Counter)
    most = 0
    for name, ours in by_round.items():
        too_many, too_few = _against(promises.get(name, Promise()), ours)
        together = _most_at_once(ours)
        most = max(most, together)
        effects = len({call.redemption_id for call in ours if call.status == 201})
        races[name.partition("-")[0]].update(
            rounds=1, calls=len(ours), effects=effects, over=too_many, short=too_few, contended=int(together > 1)
        )
    return {name: dict(found) for name, found in races.items()}, most


def _against(promise: Promise, calls: Iterable[Call]) -> tuple[int, int]:
    """Whether a round gave more, or less, than promised."""
    calls = list(calls)
    given = {call.redemption_id: call for call in calls if call.status == 201}
    uses, money = len(given), sum(each.discount for each in given.values())
    most = max(Counter(each.user_id for each in given.values()).values(), default=0)
    unsure = {call.order_id for call in calls if call.status == 0 or call.status >= 500}
    unsure -= {each.order_id for each in given.values()}
    over = (
        (promise.uses is not None and uses > promise.uses)
        or (promise.money is not None and money > promise.money)
        or (promise.each is not None and most > promise.each)
    )
    orders, users = len({call.order_id for call in calls}), len({call.user_id for call in calls})
    wanted = min(orders, promise.uses if promise.uses is not None else orders)
    if promise.each is not None:
        wanted = min(wanted, users * promise.each)
    if promise.money is not None:
        least = min((each.discount for each in given.values()), default=1)
        return int(over), int(not unsure and promise.money - money >= least and uses < orders)
    return int(over), int(uses + len(unsure) < wanted)


def _most_at_once(calls: Iterable[Call]) -> int:
    """How many calls of a round were on their way at one time."""
    turns = sorted([(call.sent, 1) for call in calls] + [(call.answered, -1) for call in calls])
    most = now = 0
    for _, step in turns:
        now += step
        most = max(most, now)
    return most


def _read(history: Path) -> tuple[Mapping[str, Promise], list[Call]]:
    promises: dict[str, Promise] = {}
    calls: list[Call] = []
    with history.open() as lines:
        for line in lines:
            found: dict[str, Any] = json.loads(line)
            if (name := found.pop("promised", None)) is not None:
                promises[name] = Promise(**found)
            else:
                calls.append(Call(**found))
    return promises, calls


if __name__ == "__main__":
    verdict = check(Path(sys.argv[1]), sys.stdin.read().strip(), sys.argv[2])
    sys.stdout.write(json.dumps(asdict(verdict) | {"sound": verdict.sound}))
