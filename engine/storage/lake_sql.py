"""DuckDB in memory: the SQL that reads the lake and prepares imports."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb

from engine.errors import BadInput, StoreUnavailable

#: Whatever DuckDB raises; other rooms catch it under this name and need not know DuckDB.
SqlError: type[Exception] = duckdb.Error

#: What reading a file that is missing, cut or altered raises; callers know which file it was.
#: DuckDB has no narrower class: a flipped byte may come as its plain Error.
UNREADABLE: type[Exception] = SqlError

_FAULTY_QUERY = (
    duckdb.ParserException,
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.PermissionException,
    duckdb.ConversionException,
    duckdb.OutOfRangeException,
    duckdb.TypeMismatchException,
)


def all_cores() -> int:
    return len(os.sched_getaffinity(0))


def half_the_cores() -> int:
    return max(1, all_cores() // 2)


@contextmanager
def open_sql(spill: Path, *, threads: int | None = None, memory: str = "1GB") -> Iterator[Any]:
    """A private in-memory DuckDB that reads times as UTC and spills into a folder beside and named after `spill`.

    `threads` defaults to half the cores, so that a marketer's query leaves the storefront its share.
    """
    # DuckDB makes the folder, not its parents, when it first spills; two processes may not share one.
    own_spill = spill.with_name(f"{spill.name}-{uuid4().hex}")
    connection = duckdb.connect(":memory:")
    try:
        connection.execute(
            f"SET TimeZone = 'UTC'; SET threads = {threads or half_the_cores()}; SET memory_limit = {quoted(memory)};"
            f"SET temp_directory = {quoted(own_spill)}; SET autoinstall_known_extensions = false"
        )
        # A notebook that cannot draw the bar has it switched off, and then even switching it off fails.
        if one_row(connection, "SELECT current_setting('enable_progress_bar')")[0]:
            connection.execute("SET enable_progress_bar = false")
        yield connection
    except _FAULTY_QUERY as error:
        raise BadInput(f"the query cannot be answered: {_first_line(error)}", code="bad_query") from error
    except duckdb.InterruptException as error:
        raise BadInput("the query was cancelled", code="cancelled") from error
    except duckdb.OutOfMemoryException as error:
        raise StoreUnavailable(f"the query needs more than {memory}: {_first_line(error)}") from error
    finally:
        connection.close()
        shutil.rmtree(own_spill, ignore_errors=True)


def one_row(sql: Any, statement: str) -> tuple[Any, ...]:
    """The only row of an answer, fetched to its end so that the connection is free again."""
    (row,) = sql.execute(statement).fetchall()
    return tuple(row)


def check_select(sql: Any, statement: str, parameters: Sequence[Any] | Mapping[str, Any]) -> None:
    """Raise BadInput unless `statement` is one SELECT and every parameter of it is given."""
    statements = sql.extract_statements(statement)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise BadInput("the lake answers one SELECT at a time", code="bad_query")
    given = parameters if isinstance(parameters, Mapping) else [str(place + 1) for place in range(len(parameters))]
    missing = sorted(set(statements[0].named_parameters) - set(given))
    if missing:
        raise BadInput(f"the query needs a value for ${missing[0]}", code="bad_query", field=missing[0])


def quoted(text: str | Path) -> str:
    """`text` as an SQL string."""
    return "'" + str(text).replace("'", "''") + "'"


def name_quoted(name: str) -> str:
    """`name` as an SQL identifier, whatever characters a shop's column has."""
    return '"' + name.replace('"', '""') + '"'


def sorted_object(expression: str) -> str:
    """The SQL of a JSON object's text with its keys in order, so that equal objects have equal texts."""
    entries = f"map_entries(json_transform({expression}, '\"MAP(VARCHAR, JSON)\"'))"
    return f"CAST(to_json(map_from_entries(list_sort({entries}))) AS VARCHAR)"


def parquet(files: Sequence[str | Path]) -> str:
    """The SQL that reads these Parquet files as one table, in their order."""
    return f"read_parquet([{', '.join(map(quoted, files))}], hive_partitioning = false, union_by_name = true)"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
