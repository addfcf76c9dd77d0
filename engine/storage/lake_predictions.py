"""Predictions in the lake: training writes a prediction whole, everybody else reads the view `predictions`."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import BadInput, StoreUnavailable
from engine.storage.home import Home
from engine.storage.lake_delta import CommitConflictError, DeltaStore
from engine.storage.lake_sql import quoted
from engine.storage.lake_tables import PREDICTIONS

#: What a prediction may be called: it stands in rules, in file names and in MLflow.
NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_ATTEMPTS = 10


def replace_predictions(home: Home, name: str, rows: pa.Table) -> int:
    """Let `rows` be all that the lake holds of the prediction `name`, in one commit; return the table's new version.

    `rows` have the columns of PREDICTIONS but `name`, one a user and subject. Readers see the old rows or the new
    ones, never both; no rows take the prediction away. Raises BadInput for a name or rows that the table cannot
    hold, StoreUnavailable when it cannot be written.
    """
    if not NAME.fullmatch(name):
        raise BadInput(
            f"a prediction is called by small letters, digits, - and _, a letter first, not {name!r}", field="name"
        )
    fitted = _fitted(rows.append_column("name", pa.array([name] * rows.num_rows, pa.string())))
    store = DeltaStore(home.lake)
    with store.writing(PREDICTIONS):
        for _ in range(_ATTEMPTS):
            base = store.version(PREDICTIONS)
            try:
                return store.commit(PREDICTIONS, fitted.to_reader(), base=base, instead_of=f"name = {quoted(name)}")
            except CommitConflictError:
                continue
    raise StoreUnavailable("other writers keep changing the lake table predictions; try again")


def _fitted(rows: pa.Table) -> pa.Table:
    """In the table's columns and types, its probabilities in order."""
    missing = sorted(set(PREDICTIONS.schema.names) - set(rows.column_names))
    if missing:
        raise BadInput(f"predictions need the column {missing[0]}", field=missing[0])
    try:
        fitted = rows.select(PREDICTIONS.schema.names).cast(PREDICTIONS.schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BadInput(f"predictions cannot hold these values: {str(error).splitlines()[0]}") from error
    for column in PREDICTIONS.required:
        if fitted[column].null_count:
            raise BadInput(f"predictions need {column} in every row", field=column)
    low, score, high = (fitted[column] for column in ("low", "score", "high"))
    sound = [pc.less_equal(0.0, score), pc.less_equal(score, 1.0), pc.equal(pc.is_null(low), pc.is_null(high))]
    sound += [pc.less_equal(0.0, low), pc.less_equal(low, score), pc.less_equal(score, high), pc.less_equal(high, 1.0)]
    # What is no number is in no order either; what is not there is no fault.
    if not all(pc.all(each, min_count=0).as_py() for each in sound):
        raise BadInput("a prediction needs 0 <= low <= score <= high <= 1, or neither low nor high", field="score")
    if fitted.num_rows > fitted.group_by(["user_id", "subject"]).aggregate([]).num_rows:
        raise BadInput("a prediction has one row a user and subject", field="user_id")
    return fitted
