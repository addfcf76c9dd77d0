"""File: messages as CSV below the shop's `exports/`, for whoever sends what we do not: SMS, WeChat, a CRM.

A part is written beside its name, and named once its round is in the ledger. Whoever was stopped in between finds out
from the ledger whether a part counts. Files hold user ids and codes, no address.
"""

from __future__ import annotations

import csv
import io
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from engine.storage.campaign_outbox import Note
from engine.storage.campaign_round import Leaving
from engine.storage.ledger import Ledger, connection_of, rows_of
from serving.campaign_message import Message

COLUMNS = ("message_id", "user_id", "offer_id", "code", "subject", "text", "unsubscribe_url")
_FRESH = ".new"
#: What spreadsheets would take for a formula when it comes first.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class Parts:
    """The files of one round."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: list[Path] = []

    def leave(self, leaving: Sequence[tuple[Leaving, Message | None]]) -> list[Note]:
        """Write a part for each campaign; it has no name of its own yet. `reason` of the notes is that name."""
        by_campaign: dict[str, list[tuple[Leaving, Message | None]]] = {}
        for each in leaving:
            by_campaign.setdefault(each[0].row.campaign_id, []).append(each)
        notes = []
        for campaign_id, mine in by_campaign.items():
            name = f"{quote(campaign_id, safe='')}/{secrets.token_hex(8)}.csv"
            self._write(self._folder / name, mine)
            notes += [Note(each.row, "sent", name, each.row.attempts + 1, counted_on=each.day) for each, _ in mine]
        return notes

    @property
    def are_written(self) -> bool:
        return bool(self._written)

    def publish(self) -> None:
        """The round is in the ledger: the parts get their names."""
        for path in self._written:
            _fresh(path).rename(path)
        self._written = []

    def _write(self, path: Path, leaving: Sequence[tuple[Leaving, Message | None]]) -> None:
        text = io.StringIO(newline="")
        lines = csv.writer(text)
        lines.writerow(COLUMNS)
        for each, message in leaving:
            words = ("", "", "") if message is None else (message.subject, message.text, message.unsubscribe_url)
            row, code = each.row, each.code or ""
            lines.writerow(map(cell, (row.message_id, row.person, row.offer_id or "", code, *words)))
        path.parent.mkdir(parents=True, exist_ok=True)
        with _fresh(path).open("wb") as file:
            # With a mark, since spreadsheets take the text for another encoding without it.
            file.write(text.getvalue().encode("utf-8-sig", "replace"))
            file.flush()
            os.fsync(file.fileno())
        self._written.append(path)


def settle(ledger: Ledger, folder: Path) -> None:
    """Name the parts of rounds that were stopped behind their commit, and drop those of rounds that never were."""
    for fresh in sorted(folder.glob(f"*/*{_FRESH}")):
        path = fresh.with_name(fresh.name.removesuffix(_FRESH))
        with connection_of(ledger) as connection:
            # Whoever writes it now holds the shop's turn, and this waits for it.
            about = "SELECT 1 FROM (SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || :a, 5))) AS held"
            rows_of(connection, about, a="campaign messages")
            known = rows_of(
                connection,
                "SELECT 1 FROM campaign_outbox WHERE state = 'sent' AND reason = :name LIMIT 1",
                name=f"{path.parent.name}/{path.name}",
            )
        if known:
            fresh.rename(path)
        else:
            fresh.unlink(missing_ok=True)


def cell(value: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{value}" if value.startswith(_FORMULA) or value.lstrip()[:1] in ("=", "+", "-", "@") else value


def _fresh(path: Path) -> Path:
    return path.with_name(path.name + _FRESH)
