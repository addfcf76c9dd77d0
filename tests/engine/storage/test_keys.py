"""Keys in the ledger, and remembered beside it."""

from __future__ import annotations

import pytest

from engine.access import fingerprint
from engine.errors import BadInput, StoreUnavailable, UnknownThing
from engine.storage.keys import create_key, read_keys, remember, remembered, revoke_key
from engine.storage.ledger import connection_of, rows_of

NOW = 1_750_000_000.0


def test_a_key_is_found_by_its_secret_which_is_not_stored(ledger):
    key, secret = create_key(ledger, "Zoë 店", ["recommend", "ingest"], now=NOW)
    assert read_keys(ledger) == {fingerprint(secret): key}
    assert (key.actor, key.scopes, key.created_at) == ("Zoë 店", {"ingest", "recommend"}, NOW)
    with connection_of(ledger) as connection:
        assert secret not in str(rows_of(connection, "SELECT * FROM keys"))


def test_a_revoked_key_stays_in_the_list_and_revoking_again_keeps_the_first_time(ledger):
    key, _ = create_key(ledger, "a", ["admin"], now=NOW)
    assert revoke_key(ledger, key.id, now=NOW + 5).revoked_at == NOW + 5
    assert revoke_key(ledger, key.id, now=NOW + 9).revoked_at == NOW + 5
    with pytest.raises(UnknownThing):
        revoke_key(ledger, "k0", now=NOW)


def test_nothing_is_made_of_a_key_that_is_refused(ledger):
    with pytest.raises(BadInput):
        create_key(ledger, "a", ["all"], now=NOW)
    assert read_keys(ledger) == {}


def test_what_was_read_is_remembered_whole(ledger, tmp_path):
    path = tmp_path / "keys.json"
    assert remembered(path) is None
    create_key(ledger, "page", ["browser"], ["https://a.example"], now=NOW)
    revoke_key(ledger, create_key(ledger, "b", ["admin"], now=NOW)[0].id, now=NOW + 1)
    keys = read_keys(ledger)
    for _ in range(2):
        remember(path, keys)
        assert remembered(path) == keys
    path.write_text("{")
    assert remembered(path) is None


def test_a_ledger_without_tables_says_so(ledger):
    with connection_of(ledger) as connection, pytest.raises(StoreUnavailable, match="not made yet"):
        rows_of(connection, "SELECT * FROM never_made")
