"""Money in files: decimal text or numbers, brought to integer minor units of a currency."""

from __future__ import annotations

from engine.currencies import WITH_THREE_DECIMALS, WITHOUT_DECIMALS
from engine.storage.lake_sql import quoted


def number(expression: str, *, decimal: str = ".") -> str:
    """The SQL of a DOUBLE from text or a number: null where nothing stands, NaN where it is no number."""
    text = f"trim(CAST({expression} AS VARCHAR))"
    readable = f"replace(replace({text}, '.', ''), ',', '.')" if decimal == "," else text
    return f"CASE WHEN {text} <> '' THEN coalesce(TRY_CAST({readable} AS DOUBLE), 'nan'::DOUBLE) END"


def minor_units(major: str, currency: str) -> str:
    """The SQL of a rounded DOUBLE in minor units from one in major units; `currency` is SQL as well."""
    return f"round(({major}) * {_minor_per_major(currency)})"


def _minor_per_major(currency: str) -> str:
    none, three = (", ".join(map(quoted, codes)) for codes in (WITHOUT_DECIMALS, WITH_THREE_DECIMALS))
    return f"CASE WHEN {currency} IN ({none}) THEN 1 WHEN {currency} IN ({three}) THEN 1000 ELSE 100 END"
