"""Ids and texts as files have them."""

from __future__ import annotations

import pyarrow as pa

from engine.storage.imports.sources import Source
from engine.storage.lake_sql import name_quoted


def id_text(column: str, source: Source) -> str:
    """The SQL of an id as text; null where the cell is empty.

    A column of whole numbers with gaps is often stored as floating point: 17850.0 is the id 17850. CSV that people
    open in a spreadsheet may say ="0071", so that it leaves the digits alone: that is the id 0071.
    """
    name = name_quoted(column)
    text = f"CAST({name} AS VARCHAR)"
    if pa.types.is_floating(source.columns[column]):
        whole = f"{name} = floor({name}) AND abs({name}) < 9e15"
        text = f"CASE WHEN {whole} THEN CAST(CAST({name} AS BIGINT) AS VARCHAR) ELSE {text} END"
    elif source.form == "csv":
        text = f"CASE WHEN starts_with({text}, '=\"') THEN regexp_replace({text}, '^=\"(.*)\"$', '\\1') ELSE {text} END"
    # Looking for a space is cheaper than trimming, and most ids have none.
    return f"CASE WHEN contains({text}, ' ') OR {text} = '' THEN nullif(trim({text}), '') ELSE {text} END"
