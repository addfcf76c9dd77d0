"""Currencies whose minor unit is not a hundredth (ISO 4217)."""

from __future__ import annotations

WITHOUT_DECIMALS = (
    *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"),
    *("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
)
WITH_THREE_DECIMALS = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")


def minor_per_major(currency: str | None) -> int:
    """How many minor units make one of a currency; 100 for one that is not named."""
    return 1 if currency in WITHOUT_DECIMALS else 1_000 if currency in WITH_THREE_DECIMALS else 100
