"""Unsubscribing: the link of a message works without a key once a person opens it, and again changes nothing."""

import pytest

from engine.storage.consents import consents_of
from engine.storage.home import Home
from engine.storage.keys import create_key
from engine.storage.shop_secrets import LINKS, shop_secret
from engine.targeting.consents import Unsubscribing, unsubscribe_token
from tests.serving.conftest import storefront
from tests.serving.marketing.conftest import marketing_interface
from tests.stores import settings_of


@pytest.fixture
def shop(ledger_url, tmp_path):
    home = Home(tmp_path / "home")
    with storefront(home, settings=settings_of(home.root, HAWKER_POSTGRES_URL=ledger_url)) as running:
        yield running


def link(ledger, user="u"):
    token = unsubscribe_token(shop_secret(ledger, LINKS), Unsubscribing(user, "marketing", "email", "c1"))
    return f"/v1/unsubscribe/{token}"


def test_opening_the_link_changes_nothing_and_the_button_ends_the_messages(shop, ledger):
    create_key(ledger, "somebody", ["marketing"], now=1.0)  # from now on everything else needs a key
    path = link(ledger)
    page = shop.client.get(path, headers={"accept-language": "zh-CN,zh;q=0.9"})
    assert (page.status_code, "退订" in page.text, consents_of(ledger, "u")) == (200, True, [])
    for _ in range(3):
        done = shop.client.post(path, data={"List-Unsubscribe": "One-Click"})
        assert (done.status_code, "You are unsubscribed" in done.text) == (200, True)
    (word,) = consents_of(ledger, "u")
    assert (word.purpose, word.channel, word.granted, word.source) == ("marketing", "email", False, "link")
    assert word.proof == {"campaign_id": "c1"}


def test_a_link_that_was_changed_is_refused(shop, ledger):
    for path in (link(ledger)[:-3] + "abc", "/v1/unsubscribe/x", "/v1/unsubscribe/%00.é"):
        for ask in (shop.client.get, shop.client.post):
            assert (ask(path).status_code, ask(path).json()["code"]) == (404, "unknown_link")


def test_withdrawing_takes_one_call_as_agreeing_does(ledger_url, tmp_path):
    home = Home(tmp_path / "home")
    with marketing_interface(home, settings_of(home.root, HAWKER_POSTGRES_URL=ledger_url)) as office:
        path = "/v1/users/a%2Fb/consents"
        assert office.get(path).json() == {"user_id": "a/b", "consents": [], "history": []}
        agreed = office.post(path, granted=True, channel="email", source="form", text_version="2026-01", proof={"n": 1})
        assert (agreed.status_code, agreed.json()["consents"][0]["granted"]) == (201, True)
        assert office.post(path, granted=False, channel="email").json()["consents"][0]["granted"] is False
        assert [each["granted"] for each in office.get(path).json()["history"]] == [False, True]
        fax = office.post(path, granted=True, channel="fax")
        assert (fax.status_code, fax.json()["field"]) == (422, "channel")
        for body in ({}, {"granted": "yes"}, {"granted": True, "purpose": "\0"}):
            assert office.post(path, **body).status_code == 422
