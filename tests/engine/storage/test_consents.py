"""Consents: what was said stays, what was said last counts, and links cannot be made up."""

import pytest

from engine.errors import BadInput, UnknownThing
from engine.storage.consents import Word, consents_of, last_words, refused, say_consent, state_of
from engine.storage.ledger import connection_of, rows_of
from engine.storage.shop_secrets import shop_secret
from engine.targeting.consents import Said, Unsubscribing, allowed, read_token, unsubscribe_token

NOW = 1_780_000_000.0


def said(ledger, user, granted, channel="email", purpose="marketing"):
    return say_consent(ledger, user, Word(purpose, channel, granted, "form"), now=NOW)


def test_the_state_is_the_last_word_and_the_record_keeps_all(ledger):
    for granted in (True, False, True):
        said(ledger, "u", granted)
    said(ledger, "u", False, channel="all")
    assert [each.granted for each in consents_of(ledger, "u")] == [False, True, False, True]
    assert [(each["channel"], each["granted"]) for each in state_of(consents_of(ledger, "u"))] == [
        ("all", False),
        ("email", True),
    ]
    with pytest.raises(Exception, match="stays on record"), connection_of(ledger) as connection:
        rows_of(connection, "UPDATE consents SET granted = true RETURNING 1")


def test_a_word_on_all_channels_and_one_on_a_channel_are_ordered_by_when_they_were_said(ledger):
    said(ledger, "u", False, channel="all")
    assert refused(ledger, ["u", "nobody"], "marketing", "email") == {"u"}
    said(ledger, "u", True)
    assert refused(ledger, ["u"], "marketing", "email") == set()
    assert refused(ledger, ["u"], "marketing", "webhook") == {"u"}
    assert allowed("marketing", "email", last_words(ledger, ["u"])["u"], None)
    said(ledger, "u", False, channel="all")
    assert refused(ledger, ["u"], "marketing", "email") == {"u"}


@pytest.mark.parametrize(
    ("purpose", "channel", "subscribed", "may"),
    [
        ("marketing", "email", None, False),
        ("marketing", "email", False, False),
        ("marketing", "email", True, True),
        ("marketing", "storefront", None, True),
        ("surveys", "email", True, False),
        ("service", "email", False, True),
    ],
)
def test_where_nothing_was_said_marketing_follows_the_trait_and_others_need_a_word(purpose, channel, subscribed, may):
    assert allowed(purpose, channel, {}, subscribed) is may
    assert allowed(purpose, channel, {(purpose, channel): Said(granted=False, place=1)}, True) is False


def test_a_link_says_whose_it_is_and_no_other_can_be_made(ledger):
    secret = shop_secret(ledger, "links")
    assert secret == shop_secret(ledger, "links") != shop_secret(ledger, "other")
    about = Unsubscribing("né/\n\ud800", "marketing", "email", "c1")
    token = unsubscribe_token(secret, about)
    assert read_token(secret, token) == about
    body, mark = token.split(".")
    for wrong in ("", ".", "a.b", body, f"{body}.{mark[:-2]}", f"{mark}.{body}", f"{body}A.{mark}", "é.é", token + "."):
        with pytest.raises(UnknownThing):
            read_token(secret, wrong)
    with pytest.raises(UnknownThing):
        read_token(shop_secret(ledger, "other"), token)


def test_a_purpose_or_channel_that_is_none_is_refused_by_name(ledger):
    for word, field in ((Word("marketing", "fax", True, "x"), "channel"), (Word("", "email", True, "x"), "purpose")):
        with pytest.raises(BadInput) as told:
            say_consent(ledger, "u", word, now=NOW)
        assert told.value.field == field
    assert consents_of(ledger, "u\0") == []
