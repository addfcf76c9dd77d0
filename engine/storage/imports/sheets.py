"""The door to Excel workbooks: the rows of one sheet as texts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import python_calamine

from engine.errors import BadInput


def read_sheet(path: Path, name: str | None) -> tuple[list[str], list[list[str | None]]]:
    """The names in the first row that holds any, and the rows below it; the first sheet where none is named.

    Raises BadInput for what is no workbook, a sheet that is not there, an empty one, or a column without a name.
    """
    try:
        book = python_calamine.CalamineWorkbook.from_path(str(path))
        sheets = book.sheet_names
        if name is not None and name not in sheets:
            raise BadInput(f"{path} has no sheet {name!r}; it has {', '.join(sheets)}", field="file.sheet")
        rows = book.get_sheet_by_name(name or sheets[0]).to_python() if sheets else []
    except (python_calamine.CalamineError, OSError, ValueError) as error:
        raise BadInput(
            f"{path} cannot be read as an Excel workbook: {error}", code="unreadable_file", field="path"
        ) from error
    texts = [[_text(cell) for cell in row] for row in rows]
    filled = [place for place, row in enumerate(texts) if any(cell is not None for cell in row)]
    if not filled:
        raise BadInput(f"{path} holds no rows", code="empty_file", field="path")
    head, body = texts[filled[0]], [texts[place] for place in filled[1:]]
    used = [place for place in range(len(head)) if head[place] is not None or any(row[place] for row in body)]
    for place in used:
        if head[place] is None:
            raise BadInput(f"{path}: column {place + 1} has values and no name; name it in the first row", field="path")
    return [str(head[place]) for place in used], [[row[place] for place in used] for row in body]


def _text(cell: Any) -> str | None:
    if cell is None or cell == "":
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))  # Excel has no whole numbers: ids come as 17850.0
    if isinstance(cell, datetime | date | time):
        return cell.isoformat()
    return str(cell.total_seconds()) if isinstance(cell, timedelta) else str(cell)


def columns_of(rows: list[list[str | None]], number: int) -> Iterator[list[str | None]]:
    """The rows turned into `number` columns."""
    return ([row[place] for row in rows] for place in range(number))
