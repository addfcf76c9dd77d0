"""Open a file as a stream of numbered rows: CSV, Parquet, JSON lines or Excel; only a workbook is loaded whole."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from engine.errors import BadInput, HawkerError
from engine.storage.imports.encodings import encoding_of
from engine.storage.imports.sheets import columns_of, read_sheet

#: Told of rows read so far, and of all rows where the file says how many there are.
RowsRead = Callable[[int, int | None], None]

_FORMATS = {
    **dict.fromkeys((".csv", ".tsv", ".txt"), "csv"),
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    **dict.fromkeys((".xlsx", ".xlsm"), "xlsx"),
}
_CSV_BLOCK_BYTES = 4 << 20
# A line of JSON must fit into one block.
_LINES_BLOCK_BYTES = 16 << 20
_PARQUET_BATCH_ROWS = 1 << 17

#: The one column of a source of lines, and the number that every source gives its rows, from 0.
LINE = "line"
ROW = "hawker_row"

#: The view under which SQL reads the source; a stream, to be scanned once.
SOURCE = "source"


@dataclass(frozen=True, slots=True)
class CsvForm:
    """How a text file is written; `columns` names the columns of a file without a header, `sheet` is a workbook's.

    An encoding that is not named is looked for.
    """

    delimiter: str | None = None
    encoding: str | None = None
    columns: Sequence[str] | None = None
    sheet: str | None = None


_PLAIN = CsvForm()


@dataclass(slots=True)
class Source:
    """A file's columns by name and Arrow type, and its rows, to be read once.

    Each batch carries the extra first column ROW. `rejected` fills while the rows are
    read: (row, reason, text) of those that have not even the right number of cells. `failure` holds the
    error that broke the stream, since SQL only reports a text.
    """

    path: Path
    form: str
    columns: dict[str, pa.DataType]
    batches: Callable[[], Iterator[pa.RecordBatch]]
    total: int | None = None
    rejected: list[tuple[int, str, str]] = field(default_factory=list)
    failure: BaseException | None = None
    encoding: str = "utf-8-sig"

    def reader(self, rows_read: RowsRead) -> pa.RecordBatchReader:
        schema = pa.schema([(ROW, pa.int64()), *self.columns.items()])
        return pa.RecordBatchReader.from_batches(schema, self._numbered(schema, rows_read))

    def _numbered(self, schema: pa.Schema, rows_read: RowsRead) -> Iterator[pa.RecordBatch]:
        next_row = 0
        skipped: set[int] = set()
        try:
            for batch in self.batches():
                skipped.update(row for row, _, _ in self.rejected[len(skipped) :])
                numbers, next_row = _numbers(next_row, batch.num_rows, skipped)
                rows_read(next_row, self.total)
                yield pa.RecordBatch.from_arrays([pa.array(numbers), *batch.columns], schema=schema)
        except BaseException as error:
            self.failure = _told(error, self.path)
            raise


def form_of(path: Path) -> str:
    """csv, parquet, jsonl or xlsx, from the file's ending; raises BadInput for others and for what is no file."""
    check_readable(path)
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        ending = repr(path.suffix) if path.suffix else "no ending"
        raise BadInput(
            f"{path}: cannot tell the format from {ending}; name it *.csv, *.parquet, *.jsonl or *.xlsx", field="path"
        )
    return form


def open_source(path: Path, form: str, csv: CsvForm = _PLAIN) -> Source:
    """The file as a Source; raises BadInput when it is missing, a directory, forbidden, empty or unreadable."""
    check_readable(path)
    try:
        return {"csv": _csv, "parquet": _parquet, "jsonl": _lines, "xlsx": _workbook}[form](path, csv)
    except HawkerError:
        raise
    except Exception as error:
        raise _told(error, path) from error


def check_readable(path: Path) -> None:
    """Raise BadInput with what is wrong unless `path` is a file with something in it that we may read."""
    try:
        if path.is_dir():
            raise BadInput(f"{path} is a directory; name one file", field="path")
        with path.open("rb") as file:
            if not file.read(1):
                raise BadInput(f"{path} is empty", code="empty_file", field="path")
    except FileNotFoundError:
        raise BadInput(f"there is no file {path}", field="path") from None
    except PermissionError:
        raise BadInput(f"{path} may not be read by this user; change its permissions", field="path") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}", field="path") from error


def _parquet(path: Path, _: CsvForm) -> Source:
    with pyarrow.parquet.ParquetFile(path) as opened:
        schema, total = opened.schema_arrow, opened.metadata.num_rows
    _check_names(path, schema.names)

    def batches() -> Iterator[pa.RecordBatch]:
        with pyarrow.parquet.ParquetFile(path) as opened:
            yield from opened.iter_batches(_PARQUET_BATCH_ROWS)

    return Source(path, "parquet", {each.name: each.type for each in schema}, batches, total)


def _csv(path: Path, csv: CsvForm) -> Source:
    delimiter = csv.delimiter or ("\t" if path.suffix.lower() == ".tsv" else ",")
    encoding = _strict(csv.encoding or encoding_of(path))
    reading: dict[str, Any] = {"encoding": encoding, "block_size": _CSV_BLOCK_BYTES}
    if csv.columns:
        names = list(csv.columns)
        reading["column_names"] = names
    else:
        with path.open(encoding=encoding, newline="") as file:
            names = _header(file.readline(1 << 20), delimiter)
    _check_names(path, names)
    return _delimited(
        path, names, reading, {"delimiter": delimiter, "newlines_in_values": True}, first_row=1 if csv.columns else 2
    )


def _lines(path: Path, csv: CsvForm) -> Source:
    """Each line as it stands, in one column; control characters are no JSON, so one of them cuts nothing."""
    encoding = _strict(csv.encoding or encoding_of(path))
    reading = {"encoding": encoding, "block_size": _LINES_BLOCK_BYTES, "column_names": [LINE]}
    parsing = {"delimiter": "\x01", "quote_char": False}
    source = _delimited(path, [LINE], reading, parsing, first_row=1, form="jsonl")
    source.encoding = encoding
    return source


def _workbook(path: Path, csv: CsvForm) -> Source:
    names, rows = read_sheet(path, csv.sheet)
    _check_names(path, names)
    schema = pa.schema([(name, pa.string()) for name in names])

    def batches() -> Iterator[pa.RecordBatch]:
        for start in range(0, len(rows), _PARQUET_BATCH_ROWS):
            part = rows[start : start + _PARQUET_BATCH_ROWS]
            yield pa.RecordBatch.from_arrays(
                [pa.array(column, pa.string()) for column in columns_of(part, len(names))], schema=schema
            )

    return Source(path, "xlsx", dict.fromkeys(names, pa.string()), batches, len(rows))


def _delimited(
    path: Path, names: list[str], reading: dict[str, Any], parsing: dict[str, Any], *, first_row: int, form: str = "csv"
) -> Source:
    rejected: list[tuple[int, str, str]] = []

    def reject(invalid: Any) -> str:
        told = f"{invalid.actual_columns} cells instead of {invalid.expected_columns}"
        rejected.append((invalid.number - first_row, told, invalid.text))
        return "skip"

    def batches() -> Iterator[pa.RecordBatch]:
        # Only a single thread numbers the rows that it skips.
        with pyarrow.csv.open_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(use_threads=False, **reading),
            parse_options=pyarrow.csv.ParseOptions(invalid_row_handler=reject, **parsing),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        ) as opened:
            yield from opened

    return Source(path, form, dict.fromkeys(names, pa.string()), batches, None, rejected)


def _header(line: str, delimiter: str) -> list[str]:
    table = pyarrow.csv.read_csv(
        pa.BufferReader(line.encode()),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter),
    )
    return [str(name) for name in table.schema.names]


def _check_names(path: Path, names: Sequence[str]) -> None:
    folded = [name.lower() for name in names]
    for name in names:
        if folded.count(name.lower()) > 1:
            raise BadInput(f"{path} has two columns named {name!r} (capitals do not count); rename one", field=name)


def _numbers(start: int, count: int, skipped: set[int]) -> tuple[np.ndarray[Any, np.dtype[np.int64]], int]:
    """`count` row numbers from `start` on that are not `skipped`, and the next one."""
    numbers = np.arange(start, start + count + len(skipped), dtype=np.int64)
    kept = numbers[~np.isin(numbers, list(skipped))] if skipped else numbers
    return kept[:count], int(kept[count - 1]) + 1 if count else start


def _strict(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise BadInput(
            f"there is no encoding {encoding!r}; use utf-8, gb18030, latin-1 or cp1252", field="encoding"
        ) from None
    # Arrow leaves plain UTF-8 unchecked where a row is skipped; this name makes it decode, and drops a byte order mark.
    return "utf-8-sig" if name == "utf-8" else name


def _told(error: BaseException, path: Path) -> BaseException:
    """The error in our words; what is none of the file's faults stays as it is."""
    if isinstance(error, UnicodeError) or "UTF8" in str(error):
        return BadInput(
            f"{path} is not written in the encoding that was expected ({_first_line(error)}); "
            "save it as UTF-8, or name its encoding in the mapping",
            code="wrong_encoding",
            field="path",
        )
    if isinstance(error, pa.ArrowException | OSError):
        return BadInput(f"{path} cannot be read: {_first_line(error)}", code="unreadable_file", field="path")
    return error


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
