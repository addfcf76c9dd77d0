"""Consents of two users who turn out to be one person: the stricter word holds, until they say something new."""

import itertools
import random

import pytest

from engine.storage.consents import Word, consents_of, last_words, refused, say_consent
from engine.storage.customer_reach import Reach
from engine.storage.customer_refresh import refresh_customers
from engine.storage.home import Home
from engine.storage.ledger import connection_of, rows_of
from engine.targeting.consents import CONSENT_CHANNELS, Said, allowed, words_together
from tests.engine.storage.shoppers import NOW, Shoppers


@pytest.fixture
def shop(tmp_path):
    shop = Shoppers(Home(tmp_path / "home"))
    shop.happened(("old", "login", 2, {}), ("new", "login", 2, {}))
    return shop


def followed(shop, ledger, *, whole=False):
    refresh_customers(shop.home, now=NOW.timestamp(), zone="UTC", reach=Reach(ledger, "salt", 0.0), whole=whole)


def said(ledger, user, granted, channel="email", purpose="marketing"):
    return say_consent(ledger, user, Word(purpose, channel, granted, "form"), now=NOW.timestamp())


def may(ledger, user, channel="email"):
    return allowed("marketing", channel, last_words(ledger, [user]).get(user, {}), None)


@pytest.mark.parametrize("withdrew", ["old", "new"])
def test_a_withdrawal_of_either_stays_however_late_the_other_agreed(shop, ledger, withdrew):
    said(ledger, withdrew, False, "all")
    said(ledger, "new" if withdrew == "old" else "old", True)
    shop.merges("user", "old", "new")
    followed(shop, ledger)
    assert (may(ledger, "old"), may(ledger, "new")) == (False, False)
    assert refused(ledger, ["old", "new"], "marketing", "email") == {"old", "new"}
    said(ledger, "new", True)  # the person agrees again, and knows what to
    assert (may(ledger, "old"), may(ledger, "new")) == (True, True)


def test_who_withdrew_and_agreed_again_themselves_has_agreed(shop, ledger):
    said(ledger, "old", False)
    said(ledger, "old", True)
    shop.merges("user", "old", "new")
    followed(shop, ledger)
    assert may(ledger, "new")
    (line,) = consents_of(ledger, "new")
    assert (line.source, dict(line.proof), line.channel) == ("merge", {"merged_with": "old"}, "email")


def test_a_link_in_an_old_letter_ends_the_messages_to_the_person(shop, ledger):
    said(ledger, "new", True, "all")
    shop.merges("user", "old", "new")
    shop.merges("user", "older", "new")
    followed(shop, ledger)
    said(ledger, "old", False)
    assert [may(ledger, each) for each in ("older", "old", "new")] == [False, False, False]
    assert (may(ledger, "new", "webhook"), may(ledger, "older", "webhook")) == (True, True)
    assert consents_of(ledger, "new")[0].proof == {"said_as": "old"}


def test_a_chain_of_merges_brings_all_words_to_its_end(shop, ledger):
    said(ledger, "a", False, "webhook")
    shop.merges("user", "a", "b")
    followed(shop, ledger)
    shop.merges("user", "b", "c")
    followed(shop, ledger)
    said(ledger, "a", True)
    assert (may(ledger, "c", "webhook"), may(ledger, "c", "email")) == (False, True)


@pytest.mark.parametrize("whole", [False, True])
def test_following_again_says_nothing_again(shop, ledger, whole):
    said(ledger, "old", False)
    shop.merges("user", "old", "new")
    for _ in range(2):
        followed(shop, ledger, whole=whole)
    assert len(consents_of(ledger, "new")) == 1
    shop.merges("session", "s1", "new")  # of visits nobody says anything
    followed(shop, ledger, whole=whole)
    assert len(consents_of(ledger, "new")) == 1


def test_merges_of_who_never_said_anything_are_remembered_without_a_word(shop, ledger):
    shop.merges("user", "old", "new")
    followed(shop, ledger)
    with connection_of(ledger) as connection:
        assert rows_of(connection, "SELECT user_id, into_user FROM merged_users") == [("old", "new")]
        assert rows_of(connection, "SELECT count(*) FROM consents") == [(0,)]


def test_what_is_said_of_two_together_is_the_stricter_word_on_every_channel():
    dice = random.Random(5)
    spoken = 0
    for _ in range(2_000):
        places = itertools.count(1)
        mine, theirs = (
            {
                ("p", dice.choice(CONSENT_CHANNELS)): Said(dice.random() < 0.5, next(places))
                for _ in range(dice.randint(0, 4))
            }
            for _ in range(2)
        )
        told = words_together(mine, theirs)
        after = {**mine, **{(purpose, channel): Said(yes, 100 + at) for at, (purpose, channel, yes) in enumerate(told)}}
        spoken += bool(told)
        for channel in CONSENT_CHANNELS[1:]:
            alone = [
                allowed("p", channel, each, None)
                for each in (mine, theirs)
                if ("p", channel) in each or ("p", "all") in each
            ]
            assert allowed("p", channel, after, None) == (all(alone) if alone else channel == "storefront")
            known = ("p", channel) in after or ("p", "all") in after
            assert known == bool(alone), (mine, theirs, told)
    assert spoken > 500
