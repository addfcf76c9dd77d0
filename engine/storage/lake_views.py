"""What SQL sees of the lake: a view a table, and the rows that are about to be written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import BadInput
from engine.storage.lake_sql import one_row, parquet, quoted
from engine.storage.lake_tables import LakeTable


@dataclass(frozen=True, slots=True)
class ParquetRows:
    """Those rows of a Parquet file that fulfil an SQL condition; columns that the table lacks are left aside."""

    file: Path
    where: str = "true"


def lay_out(sql: Any, table: LakeTable, files: Sequence[Path]) -> None:
    """Make the view of one table, and for the events a second one that also shows the month."""
    columns = ", ".join(table.schema.names)
    if not files:
        sql.register(f"empty_{table.name}", table.schema.empty_table())
        source = f"(SELECT *, NULL::VARCHAR AS month FROM empty_{table.name})"
    elif table.partition:
        listed = ", ".join(map(quoted, files))
        source = f"read_parquet([{listed}], hive_partitioning = true, hive_types = {{'{table.partition}': VARCHAR}})"
    else:
        # Files that were written before a column was thought of lack it.
        sql.register(f"empty_{table.name}", table.schema.empty_table())
        source = f"(FROM empty_{table.name} UNION ALL BY NAME FROM {parquet(files)})"
    if table.partition:
        sql.execute(
            f"CREATE VIEW {table.name}_by_{table.partition} AS SELECT {columns}, {table.partition} FROM {source}"
        )
    sql.execute(f"CREATE VIEW {table.name} AS SELECT {columns} FROM {source}")


def bring_in(sql: Any, table: LakeTable, rows: pa.Table | ParquetRows) -> None:
    """Make the view `incoming`: the rows with all columns of `table`, their types and keys checked."""
    if isinstance(rows, ParquetRows):
        source = _stored_rows(table, rows)
    else:
        _check_columns(table, rows.schema.names)
        sql.register("incoming_rows", _complete(rows, table))
        source = "incoming_rows"
    sql.register("no_rows", table.schema.empty_table())
    columns = ", ".join(table.schema.names)
    sql.execute(f"CREATE VIEW incoming AS SELECT {columns} FROM (FROM no_rows UNION ALL BY NAME FROM {source})")
    missing = " OR ".join(f"{name} IS NULL" for name in table.required)
    if one_row(sql, f"SELECT count(*) FROM incoming WHERE {missing}")[0]:
        raise BadInput(f"{table.name} need {', '.join(table.required)} in every row", field=table.key)
    if "attributes" in table.schema.names:
        # CASE, since the type of what is no JSON cannot be asked.
        is_object = "CASE WHEN json_valid(attributes) THEN json_type(attributes) = 'OBJECT' ELSE false END"
        if one_row(sql, f"SELECT count(*) FROM incoming WHERE attributes IS NOT NULL AND NOT {is_object}")[0]:
            raise BadInput(f"the attributes of {table.name} must be JSON objects", field="attributes")


def _stored_rows(table: LakeTable, rows: ParquetRows) -> str:
    given = [name for name in pq.read_schema(rows.file).names if name in table.schema.names]
    _check_columns(table, given)
    return f"(SELECT {', '.join(given)} FROM {parquet([rows.file])} WHERE {rows.where})"


def _check_columns(table: LakeTable, given: Sequence[str]) -> None:
    for name in given:
        if name not in table.schema.names:
            raise BadInput(f"{table.name} have no column {name}; they have {', '.join(table.schema.names)}", field=name)
    for name in table.required:
        if name not in given:
            raise BadInput(f"{table.name} need the column {name}", field=name)


def _complete(rows: pa.Table, table: LakeTable) -> pa.Table:
    """`rows` in the types of `table`; a value that a type cannot hold exactly is refused."""
    schema = pa.schema([table.schema.field(name) for name in rows.schema.names])
    try:
        return rows.cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BadInput(f"{table.name} cannot hold these values: {str(error).splitlines()[0]}") from error
