"""Where visits come from."""

from __future__ import annotations

import pytest

from engine.segment_visit import referrer_of, source_of, visit_of

SHOP = "https://www.shop.example/pens?x=1"


def page(referrer, url=SHOP):
    return {"page": {"referrer": referrer, "url": url}}


@pytest.mark.parametrize(
    ("referrer", "source"),
    [
        ("https://www.google.co.uk/", "organic"),
        ("https://m.baidu.com/s?wd=pen", "organic"),
        ("https://duckduckgo.com", "organic"),
        ("https://l.facebook.com/l.php", "social"),
        ("https://t.co/abc", "social"),
        ("https://mail.google.com/", "referral"),
        ("https://blog.example/best-pens", "referral"),
        ("android-app://com.news", "referral"),
        ("https://www.shop.example/home", None),
        ("https://shop.example/", None),
        ("https://help.shop.example/", None),
        ("HTTPS://me@WWW.Shop.Example:8443", None),
        ("https://notshop.example/", "referral"),
        ("https://[::1]/", "referral"),
        ("no address", "referral"),
        ("", "direct"),
        (None, None),
        (3, "referral"),
    ],
)
def test_a_referrer_says_where_a_visit_came_from_unless_it_is_the_shop_itself(referrer, source):
    assert source_of(page(referrer)) == source


@pytest.mark.parametrize(
    ("medium", "source"),
    [
        ("CPC", "paid"),
        ("paid_social", "paid"),
        ("Social", "social"),
        ("newsletter", "referral"),
        ("organic", "organic"),
        ("leaflet", None),
        (None, None),
        (7, None),
    ],
)
def test_a_campaigns_medium_says_it_first_and_an_unknown_one_is_not_guessed(medium, source):
    assert source_of({"campaign": {"name": "spring", "medium": medium}, **page("")}) == source


def test_an_unknown_medium_leaves_it_to_the_referrer():
    assert source_of({"campaign": {"medium": "leaflet"}, **page("https://www.bing.com")}) == "organic"


def test_servers_say_nothing_of_visits():
    assert (source_of({}), visit_of({}, None), referrer_of({})) == (None, {}, None)


def test_a_referrer_may_stand_beside_the_page():
    assert referrer_of({"referrer": {"url": "https://blog.example"}}) == "https://blog.example"


def test_what_is_told_of_a_visit_is_kept_as_far_as_it_fits():
    context = {"campaign": {"name": "spring"}, "device": {"type": "ios"}, **page("https://blog.example", "x" * 9_000)}
    assert visit_of(context, "mobile") == {
        "campaign": "spring",
        "referrer": "https://blog.example",
        "channel": "mobile",
        "device": "ios",
    }
