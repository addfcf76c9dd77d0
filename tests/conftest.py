"""Fixtures that all rooms' tests may ask for."""

import signal

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

# A shell that runs the tests in the background has Ctrl-C ignored, and so have all programs that they start, in which
# some tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
