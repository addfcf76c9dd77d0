"""UCI Online Retail: a year of a British gift shop's invoices, as dirty as published.

Invoices that begin with C are cancellations: returns. Rows without a customer, with a quantity that is not
positive although nothing was cancelled, or with a negative price are quarantined.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.storage.imports.draft import Draft
from engine.storage.imports.money import number
from engine.storage.imports.sources import SOURCE, Source, form_of, open_source
from engine.storage.imports.table_columns import preset_file, require_columns
from engine.storage.imports.text import id_text
from engine.storage.imports.times import instant
from engine.storage.lake_sql import quoted

_COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")

# Postage, fees, discounts and corrections have stock codes too; they are not for sale.
_NOT_FOR_SALE = ("POST", "DOT", "M", "m", "D", "S", "B", "C2", "CRUK", "BANK CHARGES", "AMAZONFEE")

_CANCELLED = "InvoiceNo LIKE 'C%'"
_QUANTITY = number("Quantity")
_PRICE = number("UnitPrice")
_PAID = f"round({_PRICE} * abs({_QUANTITY}) * 100)"


def online_retail(sql: Any, path: Path | None) -> tuple[Source, Draft]:
    """The file as Parquet or as CSV, with its published column names."""
    file = preset_file(path, "online-retail")
    source = open_source(file, form_of(file))
    require_columns(source, _COLUMNS)
    services = ", ".join(map(quoted, _NOT_FOR_SALE))
    return source, Draft(
        rows=SOURCE,
        raw=tuple(source.columns),
        events={
            "type": f"CASE WHEN {_CANCELLED} THEN 'return' ELSE 'purchase' END",
            "time": _time(source),
            # Copies that went through a table of floating point numbers say 17850.0.
            "user_id": f"regexp_replace({id_text('CustomerID', source)}, '\\.0$', '')",
            "item_id": "trim(CAST(StockCode AS VARCHAR))",
            "quantity": f"CASE WHEN {_CANCELLED} THEN -({_QUANTITY}) ELSE {_QUANTITY} END",
            "amount": _PAID,
            "list_amount": _PAID,
            "currency": "'GBP'",
            "order_id": "CAST(InvoiceNo AS VARCHAR)",
            "source": "'web'",
        },
        items={
            "name": "nullif(trim(Description), '')",
            "price": f"CASE WHEN {_PRICE} > 0 THEN {_PRICE} * 100 END",
            "list_price": f"CASE WHEN {_PRICE} > 0 THEN {_PRICE} * 100 END",
            "currency": "'GBP'",
            "available": f"trim(CAST(StockCode AS VARCHAR)) NOT IN ({services})",
        },
        users={"region": "nullif(trim(Country), '')"},
        called={
            "user_id": "CustomerID",
            "item_id": "StockCode",
            "time": "InvoiceDate",
            "quantity": "Quantity",
            "amount": "UnitPrice",
        },
    )


def _time(source: Source) -> str:
    kind = "VARCHAR" if str(source.columns["InvoiceDate"]) == "string" else "TIMESTAMP"
    iso = instant("InvoiceDate", kind)
    # The CSV copies of the file write American dates.
    return iso if kind == "TIMESTAMP" else f"coalesce({iso}, {instant('InvoiceDate', kind, written='%m/%d/%Y %H:%M')})"
