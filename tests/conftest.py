"""Fixtures that all rooms' tests may ask for."""

from tests.stores import ledger, ledger_template, ledger_url, live, stores, stream
from tests.trained import mlflow_store, own_home, tiny_data, tiny_shop, trained_home

__all__ = [
    "ledger",
    "ledger_template",
    "ledger_url",
    "live",
    "mlflow_store",
    "own_home",
    "stores",
    "stream",
    "tiny_data",
    "tiny_shop",
    "trained_home",
]
