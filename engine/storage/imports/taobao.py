"""Taobao's log of browsing and buying: user, item, category, behaviour, time in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.storage.imports.draft import Draft
from engine.storage.imports.sources import SOURCE, CsvForm, Source, form_of, open_source
from engine.storage.imports.table_columns import preset_file, require_columns
from engine.storage.imports.text import id_text
from engine.storage.imports.times import EPOCH, instant

_COLUMNS = ("user_id", "item_id", "category_id", "behavior", "timestamp")
_TYPES = {"pv": "view", "cart": "cart_add", "fav": "wishlist_add", "buy": "purchase"}


def taobao(sql: Any, path: Path | None) -> tuple[Source, Draft]:
    """The log as Parquet, or as the headerless CSV that was published."""
    file = preset_file(path, "taobao")
    source = open_source(file, form_of(file), CsvForm(columns=_COLUMNS))
    require_columns(source, _COLUMNS)
    types = " ".join(f"WHEN '{theirs}' THEN '{ours}'" for theirs, ours in _TYPES.items())
    return source, Draft(
        rows=SOURCE,
        raw=_COLUMNS,
        events={
            "type": f"CASE behavior {types} ELSE behavior END",
            "time": instant('"timestamp"', "VARCHAR", written=EPOCH),
            "user_id": id_text("user_id", source),
            "item_id": id_text("item_id", source),
        },
        items={"categories": f"[{id_text('category_id', source)}]"},
        called={"type": "behavior", "time": "timestamp"},
    )
