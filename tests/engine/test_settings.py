from __future__ import annotations

import pytest

from engine.errors import BadInput
from engine.settings import read_settings


def test_the_access_log_is_on_until_it_is_switched_off():
    assert read_settings({}).access_log is True
    assert read_settings({"HAWKER_ACCESS_LOG": "off"}).access_log is False


@pytest.mark.parametrize(
    ("name", "value"), [("HAWKER_ACCESS_LOG", "no"), ("HAWKER_PORT", "http"), ("HAWKER_WORKERS", "two")]
)
def test_a_value_that_cannot_be_is_refused_by_name(name, value):
    with pytest.raises(BadInput, match=name) as refused:
        read_settings({name: value})
    assert refused.value.field == name


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(BadInput, match="did you mean HAWKER_PORT"):
        read_settings({"HAWKER_PROT": "1"})


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("HAWKER_PUBLIC_URL", "https://shop.example/hawker/", "shop.example"),
        ("HAWKER_PUBLIC_URL", "http://[::1]:8000", "https://shop.example/?a=b"),
        ("HAWKER_SMTP_URL", "smtp+starttls://me:p%40ss@mail.example:587", "http://mail.example"),
        ("HAWKER_SMTP_URL", "smtps://mail.example", "smtp://"),
        ("HAWKER_MAIL_FROM", "Shop <news@shop.example>", "Shop <news>"),
        ("HAWKER_QUIET_HOURS", "22:00-08:00", "late"),
        ("HAWKER_QUIET_HOURS", "off", "25:00-08:00"),
    ],
)
def test_what_messages_need_is_checked_at_the_start(name, right, wrong):
    assert read_settings({name: right})
    with pytest.raises(BadInput) as told:
        read_settings({name: wrong})
    assert told.value.field == name
