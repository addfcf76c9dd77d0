"""Uploads of user lists: a CSV with a column `user_id`; what is wrong is told line by line, nothing is half saved."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import BadInput
from engine.event_properties import fault_of_text
from engine.events import LONGEST_ID_BYTES
from engine.storage.imports.encodings import decoded
from engine.storage.segment_members import MOST_MEMBERS

#: Why a line may be refused, and what to do about it. These may also be skipped.
REASONS = {
    "unknown_user": "nobody is called so: send the user or an event of theirs first, or skip it",
    "doubled": "stands in the file before: remove it, or skip it",
    "formula": "a spreadsheet would run this: write the plain id, or skip it",
    "empty": "the line names nobody: fill it in, or skip it",
    "bad_id": "no id can look like this: correct it, or skip it",
}
#: So many refused lines are told; all are counted.
MOST_TOLD = 1_000
_COLUMN = "user_id"
#: How a cell begins that spreadsheets calculate. A minus before a number is one.
_FORMULA = re.compile(r"[=@\t\r]|[+-](?!\d+(\.\d+)?$)")


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """`line` counts from 1, the header included."""

    line: int
    code: str
    user_id: str
    message: str

    def as_json(self) -> dict[str, Any]:
        return {"line": self.line, "code": self.code, "user_id": self.user_id, "message": self.message}


@dataclass(frozen=True, slots=True)
class Upload:
    """The users of a file in its order, and the lines that name none."""

    user_ids: tuple[str, ...]
    refused: tuple[RefusedLine, ...]


class UploadRefused(BadInput):
    """Lines that cannot be used and were not to be skipped; nothing was saved."""

    code = "lines_refused"

    def __init__(self, refused: Sequence[RefusedLine]) -> None:
        first = refused[0]
        more = f" and {len(refused) - 1:,} more lines" if len(refused) > 1 else ""
        codes = ",".join(sorted({each.code for each in refused}))
        super().__init__(
            f"line {first.line}: {first.user_id[:100]!a}: {first.message}{more}; nothing was saved."
            f" Correct the file, or skip such lines with skip={codes}",
            code=self.code,
            field=_COLUMN,
            position=first.line,
        )
        self.refused = tuple(refused)


def read_upload(
    content: bytes, known: Callable[[Sequence[str]], Collection[str]], *, skip: Collection[str] = ()
) -> Upload:
    """The users of a CSV. `known` tells which of these ids are users; `skip` names reasons whose lines are left out.

    Raises BadInput for what is no such file, UploadRefused for lines that may not be left out.
    """
    if wrong := set(skip) - REASONS.keys():
        raise BadInput(f"skip: {min(wrong)!a} is not one of {', '.join(REASONS)}", field="skip")
    first_line: dict[str, int] = {}
    refused: list[RefusedLine] = []
    odd: dict[str, str] = {}
    for line, user_id in _cells(content):
        if user_id in first_line:
            refused.append(_refused(line, "doubled", user_id, f"stands in line {first_line[user_id]} already"))
            continue
        code = _fault(user_id)
        if code in ("empty", "bad_id"):
            refused.append(_refused(line, code, user_id))
            continue
        first_line[user_id] = line
        if code is not None:
            odd[user_id] = code
    there = set(known(list(first_line)))
    for user_id, line in first_line.items():
        if user_id not in there:  # a shop may well call somebody "-": whoever is known is no formula
            refused.append(_refused(line, odd.get(user_id, "unknown_user"), user_id))
    refused.sort(key=lambda each: each.line)
    unforgiven = [each for each in refused if each.code not in skip]
    if unforgiven:
        raise UploadRefused(unforgiven)
    return Upload(tuple(each for each in first_line if each in there), tuple(refused))


def _cells(content: bytes) -> Iterator[tuple[int, str]]:
    """The line and the id of each row."""
    text = decoded(content)
    head, _, _ = text.partition("\n")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(head), strict=True)
    at, rows = -1, 0
    try:
        for row in reader:
            if at < 0:
                at = _place(row)
                continue
            if not row:
                continue  # an empty line, as many files end with
            rows += 1
            if rows > MOST_MEMBERS:
                raise BadInput(f"the file has more than {MOST_MEMBERS:,} lines; send it in parts", code="too_many")
            yield reader.line_num, row[at].strip() if at < len(row) else ""
    except csv.Error as error:
        raise BadInput(
            f"line {reader.line_num}: this is no CSV ({error}); is a quote open?",
            code="bad_csv",
            position=reader.line_num,
        ) from error
    if at < 0:
        raise BadInput(f"the file is empty; its first line names the columns, one of them {_COLUMN}", code="no_header")


def _place(header: Sequence[str]) -> int:
    names = [each.strip().lower() for each in header]
    if names.count(_COLUMN) != 1:
        raise BadInput(
            f"the first line must name the columns, one of them {_COLUMN}; it says {', '.join(header)[:200]!a}",
            code="no_header",
            field=_COLUMN,
            position=1,
        )
    return names.index(_COLUMN)


def _delimiter(head: str) -> str:
    return max(",;\t", key=head.count)


def _fault(user_id: str) -> str | None:
    if not user_id:
        return "empty"
    if fault_of_text(user_id) or len(user_id.encode("utf-8", "surrogatepass")) > LONGEST_ID_BYTES:
        return "bad_id"
    return "formula" if _FORMULA.match(user_id) else None


def _refused(line: int, code: str, user_id: str, why: str = "") -> RefusedLine:
    meaning, _, way_out = REASONS[code].partition(": ")
    return RefusedLine(line, code, user_id[:LONGEST_ID_BYTES], f"{why or meaning}: {way_out}")
