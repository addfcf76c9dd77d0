"""Files of the public data sets, read strictly: what is not there, or not as it is described, is named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import BadInput


def read_columns(folder: Path, file: str, columns: Sequence[str]) -> pa.Table:
    """These columns of one Parquet file; BadInput names a file or a column that is missing, and a file without rows."""
    path = folder / file
    if not path.is_file():
        raise BadInput(f"{file} is not in {folder}; the data set is not complete", field="data")
    try:
        lacking = [each for each in columns if each not in pq.read_schema(path).names]
        if lacking:
            raise BadInput(f"{file} has no column {', '.join(lacking)}", field="data")
        table = pq.read_table(path, columns=list(columns))
    except pa.ArrowException as problem:
        raise BadInput(f"{file} cannot be read as Parquet: {problem}", field="data") from problem
    if not table.num_rows:
        raise BadInput(f"{file} holds no rows", field="data")
    return table


def read_object(folder: Path, file: str) -> dict[str, Any]:
    """The JSON object of a file; BadInput when it is missing or is none."""
    path = folder / file
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as problem:
        raise BadInput(f"{file} of {folder} cannot be read: {problem}", field="data") from problem
    if not isinstance(found, dict):
        raise BadInput(f"{file} holds no JSON object", field="data")
    return found
