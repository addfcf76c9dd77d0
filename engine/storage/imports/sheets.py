"""The door to Excel workbooks: the rows of one sheet as texts."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import python_calamine

from engine.errors import BadInput

#: What reading a damaged archive raises.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError)
_MOST_CELLS = 50_000_000
_PIECE, _LONGEST_TAG = 1 << 20, 1 << 10
_CELL = re.compile(rb'<(?:\w+:)?c\s[^>]*?\br="([A-Z]{1,3})(\d{1,7})"')


def read_sheet(path: Path, name: str | None) -> tuple[list[str], list[list[str | None]]]:
    """The names in the first row that holds any, and the rows below it; the first sheet where none is named.

    Raises BadInput for what is no workbook, a sheet that is not there, an empty one, or a column without a name.
    """
    try:
        book = python_calamine.CalamineWorkbook.from_path(str(path))
        _check_reach(path)
        sheets = book.sheet_names
        if name is not None and name not in sheets:
            raise BadInput(f"{path} has no sheet {name!r}; it has {', '.join(sheets)}", field="file.sheet")
        rows = book.get_sheet_by_name(name or sheets[0]).to_python() if sheets else []
    except (python_calamine.CalamineError, *_DAMAGED, OSError, ValueError) as error:
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


def _check_reach(path: Path) -> None:
    """Raise BadInput where a sheet would be too large: a forgotten cell in the last corner asks for 500 GB, and that
    ends the process.
    """
    with zipfile.ZipFile(path) as book:
        for name in book.namelist():
            if not re.fullmatch(r"xl/worksheets/[^/]+\.xml", name):
                continue
            rows, columns, before = 0, 0, b""
            with book.open(name) as sheet:
                while piece := sheet.read(_PIECE):
                    found = _CELL.findall(before + piece)
                    before = piece[-_LONGEST_TAG:]
                    rows = max([rows, *(int(row) for _, row in found[-1:])])
                    columns = max([columns, *map(_number_of_column, {letters for letters, _ in found})])
            if rows * columns > _MOST_CELLS:
                raise BadInput(
                    f"{path}: {name} reaches to row {rows:,} and column {columns:,}, more than {_MOST_CELLS:,} cells;"
                    " delete what stands outside of the table, or save it as CSV",
                    code="too_large",
                    field="path",
                )


def _number_of_column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number


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
