"""Every operation of the marketing interface, asked with what its document allows and with what it does not."""

from __future__ import annotations

from engine.storage.keys import create_key
from engine.storage.ledger import opened_ledger
from experiments.fuzz import fuzz, operations_of
from tests.bundles import AS_OF
from tests.serving.conftest import eventually
from tests.stores import SHOP


def test_every_operation_does_what_its_document_says(office, ledger_url, tmp_path):
    with opened_ledger(ledger_url, SHOP) as ledger:
        _, key = create_key(ledger, "fuzz", ["admin"], now=AS_OF)
    eventually(lambda: office.get("/v1/segments").status_code == 401)
    found = fuzz(str(office.client.base_url).rstrip("/"), key, tmp_path, examples=10, seed=7)
    assert found.failures == ()
    document = office.client.get("/openapi.json").json()
    assert found.operations == operations_of(document)
