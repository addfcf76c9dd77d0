"""One import from beginning to end: read, check, set aside, store."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.storage.home import Home
from engine.storage.imports.catalogue import stage_items, stage_users
from engine.storage.imports.draft import Draft
from engine.storage.imports.mapping import read_mapping
from engine.storage.imports.presets import PRESETS
from engine.storage.imports.quarantine import write_quarantine
from engine.storage.imports.sources import SOURCE, Source
from engine.storage.imports.staging import EVENT, stage, staging_folder
from engine.storage.lake import Lake
from engine.storage.lake_sql import SqlError, all_cores, one_row, open_sql
from engine.storage.lake_views import ParquetRows
from engine.storage.past_campaigns import PastCampaigns

#: Told of (stage, done, total); total is None where nobody knows it.
Progress = Callable[[str, int, int | None], None]
Recorder = Callable[[PastCampaigns], Mapping[str, int]]

_MEMORY = "800MB"


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What to import: a preset by name, with the file where it needs one, or a file with its mapping."""

    preset: str | None = None
    path: Path | None = None
    mapping: Path | None = None


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of the rows: read = stored + duplicates + quarantined.

    Rows that only tell of a user (Segment's identify) are no events and not counted in `read` while they are good.
    `items` and `users` are the rows of these tables that are new or changed; `past_campaigns` the new rows
    of each table of the ledger.
    """

    read: int
    stored: int
    duplicates: int
    quarantined: int
    items: int
    users: int
    quarantine_file: Path | None
    past_campaigns: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The counts as plain values."""
        counts = {
            name: getattr(self, name) for name in ("read", "stored", "duplicates", "quarantined", "items", "users")
        }
        file = str(self.quarantine_file) if self.quarantine_file else None
        return {**counts, "quarantine_file": file, "past_campaigns": dict(self.past_campaigns)}

    def sentence(self) -> str:
        """The counts for a person."""
        told = (
            f"{self.read:,} rows read: {self.stored:,} stored, {self.duplicates:,} known before, "
            f"{self.quarantined:,} quarantined; {self.items:,} items and {self.users:,} users new or changed"
        )
        where = f"\nwhat was refused, and why: {self.quarantine_file}" if self.quarantine_file else ""
        past = ", ".join(
            f"{count:,} {table.replace('_', ' ')}" for table, count in self.past_campaigns.items() if count
        )
        return told + (f"\npast campaigns, new in the ledger: {past}" if past else "") + where


def run_import(
    home: Home,
    request: ImportRequest,
    *,
    now: datetime,
    progress: Progress = lambda stage, done, total: None,
    record_past_campaigns: Recorder | None = None,
) -> ImportReport:
    """Bring a file's events, items and users into the lake; bad rows go to a quarantine file.

    All rows are read and checked before anything is stored. Then users, items, events and past campaigns
    follow, each whole; an import that was killed in between is completed by repeating it, and repeating a
    complete one changes nothing. `now` tells which times lie in the future. `record_past_campaigns` writes
    to the ledger and is called only when the source has such campaigns.
    Raises BadInput when the file or the mapping cannot be used; then nothing is stored.
    """
    with (
        staging_folder(home.shop_folder / "staging") as folder,
        open_sql(folder / "spill", threads=all_cores(), memory=_MEMORY) as sql,
    ):
        source, draft = _prepared(sql, request, progress)
        staged = folder / "staged.parquet"
        _stage(sql, source, draft, staged, now=now)
        read = _counted(sql, source, draft)
        progress("store", 0, read)
        lake = Lake(home)
        items = stage_items(sql, draft, folder / "items.parquet", now=now)
        users = stage_users(sql, draft, folder / "users.parquet", now=now)
        past = draft.past_campaigns(sql) if draft.past_campaigns and record_past_campaigns else None
        quarantine_file = write_quarantine(
            sql, source.rejected, home.quarantine, label=_label(request), draft_at=folder / "quarantine.jsonl"
        )
        changed_users, changed_items = lake.merge_users(users), lake.merge_items(items)
        stored = lake.append_events(ParquetRows(staged, EVENT))
        progress("store", read, read)
        recorded = record_past_campaigns(past) if past and record_past_campaigns else {}
    return ImportReport(
        read=read,
        stored=stored.stored,
        duplicates=stored.duplicates,
        quarantined=read - stored.stored - stored.duplicates,
        items=changed_items,
        users=changed_users,
        quarantine_file=quarantine_file,
        past_campaigns=recorded,
    )


def _prepared(sql: Any, request: ImportRequest, progress: Progress) -> tuple[Source, Draft]:
    if request.preset is not None:
        if request.mapping is not None:
            raise BadInput("a preset brings its own mapping; leave the mapping out", field="mapping")
        preset = PRESETS.get(request.preset)
        if preset is None:
            raise BadInput(f"there is no preset {request.preset!r}; there are {', '.join(PRESETS)}", field="preset")
        source, draft = preset(sql, request.path)
    elif request.path is None:
        raise BadInput("name a preset or a file to import", field="path")
    else:
        source, draft = read_mapping(sql, request.path, request.mapping)
    sql.register(SOURCE, source.reader(lambda done, total: progress("read", done, total)))
    return source, draft


def _stage(sql: Any, source: Source, draft: Draft, staged: Path, *, now: datetime) -> None:
    try:
        stage(sql, draft, staged, now=now)
    except SqlError as error:
        # SQL reports a broken stream as a text; the stream itself knows what is wrong with the file.
        if source.failure is not None:
            raise source.failure from error
        raise


def _counted(sql: Any, source: Source, draft: Draft) -> int:
    """All rows that are or should be events; raises BadInput when there are none, or not one with a user."""
    staged, profiles, with_user = one_row(
        sql,
        "SELECT count(*), count(*) FILTER (profile AND reason IS NULL),"
        " count(*) FILTER (coalesce(user_id, session_id, '') <> '') FROM staged",
    )
    read = int(staged) - int(profiles) + len(source.rejected)
    if not read and not profiles:
        raise BadInput(f"{source.path} holds no rows", code="empty_file", field="path")
    if staged and not with_user:
        called = draft.called.get("user_id", "user_id")
        raise BadInput(
            f"{source.path}: {called} names no user in any of {read} rows, and without users there is nothing "
            "to learn; nothing was imported",
            code="no_user",
            field=called,
        )
    return read


def _label(request: ImportRequest) -> str:
    name = request.preset or (request.path.stem if request.path else "import")
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:60]
