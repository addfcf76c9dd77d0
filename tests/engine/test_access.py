"""Keys: what they must say, and what they are good for."""

from __future__ import annotations

import pytest

from engine.access import AccessKey, checked_key, checked_origin, fingerprint
from engine.errors import BadInput


def test_a_key_may_what_its_scopes_say_and_an_administrator_everything():
    key = AccessKey("k1", "shop", frozenset({"ingest"}))
    assert key.may("ingest")
    assert key.may("recommend", "ingest")
    assert not key.may("recommend")
    assert AccessKey("k2", "boss", frozenset({"admin"})).may("approve")


@pytest.mark.parametrize(
    ("actor", "scopes", "origins", "field"),
    [
        ("", ["ingest"], [], "actor"),
        (" ", ["ingest"], [], "actor"),
        ("a\nb", ["ingest"], [], "actor"),
        ("x" * 101, ["ingest"], [], "actor"),
        ("shop", [], [], "scope"),
        ("shop", ["ingets"], [], "scope"),
        ("shop", ["browser", "ingest"], ["https://a.example"], "scope"),
        ("shop", ["browser"], [], "origin"),
        ("shop", ["ingest"], ["https://a.example"], "origin"),
        ("shop", ["browser"], ["a.example"], "origin"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused_by_name(actor, scopes, origins, field):
    with pytest.raises(BadInput) as refused:
        checked_key("k1", actor, scopes, origins, 0.0)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://Shop.example/", "https://shop.example"),
        (" http://shop.example:80 ", "http://shop.example"),
        ("https://shop.example:8443", "https://shop.example:8443"),
        ("http://[::1]:3000", "http://[::1]:3000"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(given, kept):
    assert checked_origin(given) == kept


@pytest.mark.parametrize(
    "given", ["", "*", "shop.example", "ftp://a", "https://a/b", "https://a?x", "https://u:p@a", "https://a:99999999"]
)
def test_what_is_no_origin_is_refused(given):
    with pytest.raises(BadInput):
        checked_origin(given)


def test_a_secret_is_stored_as_a_hash_whatever_it_holds():
    assert fingerprint("a") != fingerprint("b")
    assert len(fingerprint("\ud800")) == 64
