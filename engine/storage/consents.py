"""Consents in the ledger: what each customer said, word for word and for good; the state is what was said last."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from engine.errors import BadInput
from engine.storage.ledger import Ledger, LedgerConnection, connection_of, rows_of
from engine.storage.segments import is_storable, moment
from engine.targeting.consents import Said, checked_consent

_COLUMNS = "place, user_id, purpose, channel, granted, text_version, proof, source, actor, at"
MOST_TOLD = 1_000


@dataclass(frozen=True, slots=True)
class Word:
    """What is said: `proof` is what shows it (a form, a link), `text_version` names the text that was agreed to."""

    purpose: str
    channel: str
    granted: bool
    source: str
    text_version: str | None = None
    proof: Mapping[str, Any] = field(default_factory=dict)
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """A line of the record."""

    place: int
    user_id: str
    purpose: str
    channel: str
    granted: bool
    text_version: str | None
    proof: Mapping[str, Any]
    source: str
    actor: str | None
    at: datetime

    def as_json(self) -> dict[str, Any]:
        names = ("purpose", "channel", "granted", "text_version", "source", "actor")
        told = {name: getattr(self, name) for name in names}
        return {**told, "proof": dict(self.proof), "at": self.at.isoformat()}


def say_consent(ledger: Ledger, user_id: str, word: Word, *, now: float) -> Consent:
    """Put on record what a customer said, under all ids that merges told of them.

    Raises BadInput for a purpose or channel that is none.
    """
    checked_consent(word.purpose, word.channel)
    proof = dict(word.proof)
    texts = {"source": word.source, "text_version": word.text_version or "", "proof": _all_of(proof)}
    for name, told in texts.items():
        if not is_storable(told):
            raise BadInput(f"{name}: holds a character that cannot be stored", field=name)
    with connection_of(ledger) as connection:
        merging(connection, alone=False)
        others = _others_of(connection, user_id)
        # The places of one customer are in the order in which they are told.
        rows_of(connection, _LOCK, users=[user_id, *others])
        said = _put(connection, user_id, word, proof, now=now)
        for other in others:
            _put(connection, other, replace(word, source="merge"), {**proof, "said_as": user_id}, now=now)
    return said


def put_words(
    connection: LedgerConnection,
    user_id: str,
    words: Iterable[tuple[str, str, bool]],
    *,
    source: str,
    proof: Mapping[str, Any],
    now: float,
) -> None:
    """Put purposes, channels and whether they are granted on record, of this id alone."""
    for purpose, channel, granted in words:
        _put(connection, user_id, Word(purpose, channel, granted, source), proof, now=now)


def merging(connection: LedgerConnection, *, alone: bool) -> None:
    """Until the transaction ends, who is whom does not change while somebody speaks; who changes it is `alone`."""
    lock = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    told = f"SELECT 1 FROM (SELECT {lock}(hashtextextended(current_schema() || :about, 5))) AS held"
    rows_of(connection, told, about="merged consents")


_LOCK = (
    "SELECT pg_advisory_xact_lock(key) FROM (SELECT DISTINCT hashtextextended(current_schema() || told, 3) AS key"
    " FROM unnest(CAST(:users AS TEXT[])) AS told ORDER BY 1) AS keys"
)


def _others_of(connection: LedgerConnection, user_id: str) -> list[str]:
    """The other ids of the same person, as merges told them."""
    rows = rows_of(
        connection,
        "WITH me AS (SELECT coalesce((SELECT into_user FROM merged_users WHERE user_id = :user), :user) AS id)"
        " SELECT user_id FROM (SELECT id AS user_id FROM me UNION SELECT user_id FROM merged_users"
        " WHERE into_user = (SELECT id FROM me)) AS person WHERE user_id <> :user ORDER BY user_id",
        user=user_id,
    )
    return [user for (user,) in rows]


def _put(connection: LedgerConnection, user_id: str, word: Word, proof: Mapping[str, Any], *, now: float) -> Consent:
    (row,) = rows_of(
        connection,
        "INSERT INTO consents (user_id, purpose, channel, granted, text_version, proof, source, actor, at)"
        " VALUES (:user, :purpose, :channel, :granted, :version, CAST(:proof AS JSONB), :source, :actor, :at)"
        f" RETURNING {_COLUMNS}",
        user=user_id,
        purpose=word.purpose,
        channel=word.channel,
        granted=word.granted,
        version=word.text_version,
        proof=json.dumps(proof, ensure_ascii=False),
        source=word.source,
        actor=word.actor,
        at=moment(now),
    )
    return Consent(*row)


def _all_of(proof: Mapping[str, Any]) -> str:
    return "".join(f"{name}{value}" for name, value in proof.items())


def consents_of(ledger: Ledger, user_id: str) -> list[Consent]:
    """What a customer said, the newest first, at most MOST_TOLD lines; nothing for somebody who said nothing."""
    if not is_storable(user_id):
        return []
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            f"SELECT {_COLUMNS} FROM consents WHERE user_id = :user ORDER BY place DESC LIMIT :most",
            user=user_id,
            most=MOST_TOLD,
        )
    return [Consent(*row) for row in rows]


def state_of(said: Collection[Consent]) -> list[dict[str, Any]]:
    """The last word on each purpose and channel of what `consents_of` found."""
    last: dict[tuple[str, str], Consent] = {}
    for each in said:
        last.setdefault((each.purpose, each.channel), each)
    return [
        {"purpose": purpose, "channel": channel, "granted": each.granted, "since": each.at.isoformat()}
        for (purpose, channel), each in sorted(last.items())
    ]


def last_words(ledger: Ledger, user_ids: Collection[str]) -> dict[str, dict[tuple[str, str], Said]]:
    """What each of these customers said last, by purpose and channel; those who said nothing are left out."""
    with connection_of(ledger) as connection:
        rows = rows_of(
            connection,
            "SELECT DISTINCT ON (user_id, purpose, channel) user_id, purpose, channel, granted, place FROM consents"
            " WHERE user_id = ANY (:users) ORDER BY user_id, purpose, channel, place DESC",
            users=list(user_ids),
        )
    found: dict[str, dict[tuple[str, str], Said]] = {}
    for user, purpose, channel, granted, place in rows:
        found.setdefault(user, {})[purpose, channel] = Said(granted, place)
    return found


def refused(ledger: Ledger, user_ids: Collection[str], purpose: str, channel: str) -> set[str]:
    """Those who said no, and nothing else since. Who never said anything is not among them."""
    found = set()
    for user, said in last_words(ledger, user_ids).items():
        words = [said[purpose, each] for each in (channel, "all") if (purpose, each) in said]
        if words and not max(words, key=lambda each: each.place).granted:
            found.add(user)
    return found
