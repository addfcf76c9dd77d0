"""Outbox of campaigns: one row a message, which stays until it is sent, skipped or given up.

Decisions are made one round at a time, whoever makes them: a round holds the shop's turn until its transaction ends, so
that two senders never count the same customer, quota or budget at once. What leaves within the ledger is noted in the
round itself; what leaves elsewhere is claimed in it for a while of real time, which no jump of the shop's clock ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime

from engine.storage.ledger import Ledger, LedgerConnection, LedgerPool, connection_of, rows_of
from engine.storage.segments import moment
from engine.targeting.campaign_draws import message_id

STATES = ("waiting", "sent", "skipped", "dead")
_AT_ONCE = 2_000  # messages that are given up in one transaction


@dataclass(frozen=True, slots=True)
class Row:
    """A message that is due, with what was planned for its customer. `attempts` are those before.

    `user_id` is whom it was planned for, `person` who that is today: whoever was merged into another is the other.
    """

    campaign_id: str
    user_id: str
    step: int
    channel: str
    attempts: int
    counted_on: date | None
    arm: str | None = None
    variant: str | None = None
    offer_id: str | None = None
    expected_cost: float | None = None
    expected_profit: float | None = None
    merged_into: str | None = None

    @property
    def person(self) -> str:
        return self.merged_into or self.user_id

    @property
    def message_id(self) -> str:
        return message_id(self.campaign_id, self.user_id, self.step)

    @property
    def place(self) -> tuple[str, str, int]:
        return self.campaign_id, self.user_id, self.step


@dataclass(frozen=True, slots=True)
class Note:
    """What became of a message. `due_at` by the shop's clock and `not_before` in real time say when it is tried again;
    `counted_on` is the customer's day on which it counts as a contact, None for none."""

    row: Row
    state: str = "waiting"
    reason: str | None = None
    attempts: int = 0
    due_at: float | None = None
    not_before: float | None = None
    counted_on: date | None = None


#: Of the ids `users` who each is today, and all `ids` of these persons, as far as merges were followed.
PERSONS = (
    "persons AS (SELECT DISTINCT coalesce(k.into_user, told.id) AS person FROM unnest(CAST(:users AS TEXT[]))"
    " AS told (id) LEFT JOIN merged_users k ON k.user_id = told.id),"
    " ids AS (SELECT person AS user_id, person FROM persons UNION ALL"
    " SELECT k.user_id, k.into_user FROM merged_users k JOIN persons ON k.into_user = person)"
)


@contextmanager
def turn(ledger: LedgerPool) -> Iterator[LedgerConnection]:
    """A transaction that decides about messages; others wait for its end."""
    with connection_of(ledger) as connection:
        about = "SELECT 1 FROM (SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || :about, 5))) AS held"
        rows_of(connection, about, about="campaign messages")
        yield connection


def claim_due(
    connection: LedgerConnection, *, channels: Collection[str], most: int, now: float, real_now: float
) -> list[Row]:
    """All that is due on these channels for up to `most` customers of running campaigns, held until the turn ends.

    With what is due for a customer comes what is due for other ids of the same person.
    Each campaign gets its part, so that a large one does not hold up the others. `now` is the shop's time.
    """
    at = {"at": moment(now), "real": moment(real_now), "channels": list(channels)}
    users = rows_of(
        connection,
        f"{_RUNNING} SELECT DISTINCT user_id FROM running JOIN LATERAL (SELECT user_id FROM campaign_outbox o"
        f" WHERE o.campaign_id = running.campaign_id AND {_DUE} ORDER BY due_at LIMIT"
        " greatest(:most / (SELECT greatest(count(*), 1) FROM running), 1)) AS due ON true LIMIT :most",
        most=most,
        **at,
    )
    rows = rows_of(
        connection,
        f"{_RUNNING}, {PERSONS} SELECT o.campaign_id, o.user_id, o.step, o.channel, o.attempts, o.counted_on, m.arm,"
        " m.variant, m.offer_id, m.expected_cost, m.expected_profit, nullif(ids.person, o.user_id)"
        " FROM campaign_outbox o JOIN running USING (campaign_id) JOIN ids ON ids.user_id = o.user_id"
        " LEFT JOIN campaign_members m ON m.campaign_id = o.campaign_id AND m.user_id = o.user_id"
        f" WHERE {_DUE} FOR UPDATE OF o SKIP LOCKED",
        users=[user for (user,) in users],
        **at,
    )
    return [Row(*row) for row in rows]


def give_up_overdue(
    ledger: LedgerPool, channel: str, reason: str, *, before: float, now: float, real_now: float
) -> int:
    """Give up what is due on a channel since before `before` (the shop's time) and in nobody's hands; how many.

    What a paused campaign held back is due since it was resumed.
    """
    given_up = 0
    while True:
        with turn(ledger) as connection:
            rows = rows_of(
                connection,
                "WITH running AS (SELECT c.campaign_id, (SELECT max(at) FROM campaign_changes k WHERE"
                " k.campaign_id = c.campaign_id AND k.change = 'resumed') AS resumed_at FROM campaigns c"
                " WHERE c.state = 'running') SELECT o.campaign_id, o.user_id, o.step, o.channel, o.attempts,"
                " o.counted_on FROM campaign_outbox o JOIN running USING (campaign_id)"
                f" WHERE greatest(o.due_at, resumed_at) < :before AND {_DUE} LIMIT :most FOR UPDATE OF o SKIP LOCKED",
                before=moment(before),
                most=_AT_ONCE,
                at=moment(now),
                real=moment(real_now),
                channels=[channel],
            )
            lost = [Row(*row) for row in rows]
            note(connection, [Note(row, "dead", reason, row.attempts) for row in lost], now=now)
        given_up += len(lost)
        if len(lost) < _AT_ONCE:
            return given_up


_RUNNING = "WITH running AS (SELECT campaign_id FROM campaigns WHERE state = 'running')"
_DUE = (
    "o.state = 'waiting' AND o.due_at <= :at AND (o.not_before IS NULL OR o.not_before <= :real)"
    " AND o.channel = ANY (:channels)"
)


def note(connection: LedgerConnection, notes: Sequence[Note], *, now: float, fenced: bool = False) -> None:
    """Write down what became of messages, and the contacts that they are, or are no more.

    With `fenced` those are left alone that somebody else claimed since, but for what was sent: that is known for good.
    """
    if not notes:
        return
    told = {
        "campaigns": [each.row.campaign_id for each in notes],
        "users": [each.row.user_id for each in notes],
        "steps": [each.row.step for each in notes],
        "states": [each.state for each in notes],
        "reasons": [None if each.reason is None else each.reason[:500].replace("\0", "") for each in notes],
        "attempts": [each.attempts for each in notes],
        "claimed": [each.row.attempts + 1 for each in notes],
        "due": [_moment(each.due_at) for each in notes],
        "before": [_moment(each.not_before) for each in notes],
        "days": [each.counted_on for each in notes],
    }
    fence = "(d.state = 'sent' OR o.attempts = d.claimed)" if fenced else "true"
    changed = rows_of(
        connection,
        "WITH was AS (SELECT o.campaign_id, o.user_id, o.step, o.counted_on, o.channel FROM campaign_outbox o JOIN"
        " unnest(CAST(:campaigns AS TEXT[]), CAST(:users AS TEXT[]), CAST(:steps AS INT[])) AS k (campaign_id,"
        " user_id, step) USING (campaign_id, user_id, step) ORDER BY 1, 2, 3 FOR UPDATE OF o)"
        " UPDATE campaign_outbox o SET state = d.state, reason = d.reason, attempts = d.attempts,"
        " due_at = coalesce(d.due_at, o.due_at), not_before = d.not_before, counted_on = d.counted_on,"
        " ended_at = CASE WHEN d.state <> 'waiting' THEN CAST(:at AS TIMESTAMPTZ) END"
        " FROM was JOIN unnest(CAST(:campaigns AS TEXT[]), CAST(:users AS TEXT[]), CAST(:steps AS INT[]),"
        " CAST(:states AS TEXT[]), CAST(:reasons AS TEXT[]), CAST(:attempts AS INT[]), CAST(:claimed AS INT[]),"
        " CAST(:due AS TIMESTAMPTZ[]),"
        " CAST(:before AS TIMESTAMPTZ[]), CAST(:days AS DATE[])) AS d (campaign_id, user_id, step, state, reason,"
        " attempts, claimed, due_at, not_before, counted_on) USING (campaign_id, user_id, step)"
        " WHERE o.campaign_id = was.campaign_id AND o.user_id = was.user_id AND o.step = was.step"
        f" AND o.state = 'waiting' AND {fence}"
        " RETURNING o.user_id, was.channel, was.counted_on, o.counted_on",
        at=moment(now),
        **told,
    )
    _count_contacts(connection, changed)


def _count_contacts(connection: LedgerConnection, changed: Sequence[tuple[str, str, date | None, date | None]]) -> None:
    moved: Counter[tuple[str, str, date]] = Counter()
    for user, channel, before, after in changed:
        if before != after:
            if before is not None:
                moved[user, channel, before] -= 1
            if after is not None:
                moved[user, channel, after] += 1
    keys = sorted(key for key, number in moved.items() if number)
    if keys:
        rows_of(
            connection,
            "INSERT INTO contacts AS c (user_id, channel, day, messages) SELECT * FROM unnest(CAST(:users AS TEXT[]),"
            " CAST(:channels AS TEXT[]), CAST(:days AS DATE[]), CAST(:numbers AS INT[]))"
            " ON CONFLICT (user_id, channel, day) DO UPDATE SET messages = greatest(c.messages + excluded.messages, 0)",
            users=[key[0] for key in keys],
            channels=[key[1] for key in keys],
            days=[key[2] for key in keys],
            numbers=[moved[key] for key in keys],
        )


def contacts_since(ledger: Ledger, user_ids: Collection[str], day: date) -> dict[str, dict[tuple[str, date], int]]:
    """Messages of these customers by channel and day, from `day` on; those to other ids of the same person count."""
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            f"WITH {PERSONS} SELECT person, channel, day, CAST(sum(messages) AS INT) FROM contacts JOIN ids USING"
            " (user_id) WHERE day >= :day GROUP BY 1, 2, 3",
            users=list(user_ids),
            day=day,
        )
    found: dict[str, dict[tuple[str, date], int]] = {}
    for user, channel, at, messages in rows:
        found.setdefault(user, {})[channel, at] = messages
    return found


def reached_groups(ledger: Ledger, user_ids: Collection[str]) -> dict[str, dict[str, str]]:
    """The exclusion groups of campaigns that are not over and reached these customers: user to group to campaign."""
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            f"WITH {PERSONS} SELECT ids.person, c.document ->> 'exclusion_group', min(o.campaign_id)"
            " FROM campaign_outbox o JOIN ids USING (user_id) JOIN campaigns c USING (campaign_id)"
            " WHERE c.state IN ('running', 'paused')"
            " AND c.document ->> 'exclusion_group' IS NOT NULL"
            " AND (o.state = 'sent' OR (o.state = 'waiting' AND o.counted_on IS NOT NULL)) GROUP BY 1, 2",
            users=list(user_ids),
        )
    found: dict[str, dict[str, str]] = {}
    for user, group, campaign in rows:
        found.setdefault(user, {})[group] = campaign
    return found


def outbox_figures(ledger: Ledger, campaign_id: str) -> dict[str, dict[str, int]]:
    """How many messages of a campaign are in which state, and why: state to reason (empty: none) to number."""
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            "SELECT state, coalesce(reason, ''), count(*) FROM campaign_outbox WHERE campaign_id = :id GROUP BY 1, 2",
            id=campaign_id,
        )
    found: dict[str, dict[str, int]] = {}
    for state, reason, number in rows:
        found.setdefault(state, {})[reason] = number
    return found


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else moment(seconds)
