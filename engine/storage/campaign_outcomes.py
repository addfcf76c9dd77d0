"""Outcomes of finished campaigns in the lake: reports write them, training learns from them what an offer changes."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import BadInput, StoreUnavailable
from engine.storage.home import Home
from engine.storage.lake import Lake
from engine.storage.lake_delta import CommitConflictError, DeltaStore
from engine.storage.lake_sql import quoted
from engine.storage.lake_tables import CAMPAIGN_OUTCOMES

#: The arm of whoever was held out and got nothing.
HOLDOUT = "holdout"
_ATTEMPTS = 10


def record_outcomes(home: Home, rows: pa.Table) -> int:
    """Let `rows` be all that the lake holds of their campaign, in one commit; the table's new version.

    `rows` have columns of CAMPAIGN_OUTCOMES and are of one campaign, one a customer; columns left out are null. The
    same again changes nothing but the version, so that a report that was cut short is made once more. BadInput for rows
    that teach nothing or something wrong, StoreUnavailable when the table cannot be written.
    """
    fitted = _fitted(rows)
    campaign = fitted["campaign_id"][0].as_py()
    store = DeltaStore(home.lake)
    with store.writing(CAMPAIGN_OUTCOMES):
        for _ in range(_ATTEMPTS):
            base = store.version(CAMPAIGN_OUTCOMES)
            where = f"campaign_id = {quoted(campaign)}"
            try:
                return store.commit(CAMPAIGN_OUTCOMES, fitted.to_reader(), base=base, instead_of=where)
            except CommitConflictError:
                continue
    raise StoreUnavailable("other writers keep changing the lake table campaign_outcomes; try again")


def read_outcomes(lake: Lake) -> pa.Table:
    """All rows of campaigns with a holdout, in the order of campaigns and customers."""
    return lake.query(
        "SELECT * FROM campaign_outcomes WHERE campaign_id IN"
        " (SELECT campaign_id FROM campaign_outcomes WHERE arm = $holdout) ORDER BY campaign_id, user_id",
        {"holdout": HOLDOUT},
    )


def _fitted(rows: pa.Table) -> pa.Table:
    """In the table's columns and types, or BadInput."""
    schema = CAMPAIGN_OUTCOMES.schema
    for name in rows.column_names:
        if name not in schema.names:
            raise BadInput(f"campaign_outcomes have no column {name}; they have {', '.join(schema.names)}", field=name)
    for name in CAMPAIGN_OUTCOMES.required:
        if name not in rows.column_names or rows[name].null_count:
            raise BadInput(f"campaign_outcomes need {name} in every row", field=name)
    given = {name: rows[name] for name in rows.column_names}
    columns = [given.get(field.name, pa.nulls(rows.num_rows, field.type)) for field in schema]
    try:
        fitted = pa.table(columns, names=schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BadInput(f"campaign_outcomes cannot hold these values: {str(error).splitlines()[0]}") from error
    if len(pc.unique(fitted["campaign_id"])) != 1:
        raise BadInput("campaign_id: give the rows of one campaign", field="campaign_id")
    if len(pc.unique(fitted["user_id"])) < fitted.num_rows:
        raise BadInput("user_id: a campaign has one row a customer", field="user_id")
    _between(fitted, "propensity", 1e-9, 1.0, "the chance with which the customer got this arm, above 0 and up to 1")
    _between(fitted, "depth", 0.0, 1.0, "what the offer takes off as part of a basket, 0 to 1")
    _between(fitted, "orders", 0, 2**31, "a number of orders")
    return fitted


def _between(rows: pa.Table, name: str, low: float, high: float, wanted: str) -> None:
    # What is no number lies between no two.
    if not pc.all(pc.and_(pc.greater_equal(rows[name], low), pc.less_equal(rows[name], high))).as_py():
        raise BadInput(f"{name}: give {wanted}", field=name)
