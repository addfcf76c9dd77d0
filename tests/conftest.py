"""Fixtures that all rooms' tests may ask for."""

from tests.stores import ledger, ledger_template, ledger_url, live, stores, stream

__all__ = ["ledger", "ledger_template", "ledger_url", "live", "stores", "stream"]
