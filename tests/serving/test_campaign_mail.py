"""E-mail of campaigns, against a real mail server: what arrives, and what a server that refuses or is away costs."""

from __future__ import annotations

import email
import email.policy
import time
from datetime import timedelta

import httpx
import pytest
from aiosmtpd.smtp import AuthResult

from engine.storage.campaigns import note_change
from engine.storage.consents import Word, consents_of, say_consent
from engine.storage.ledger import connection_of
from serving.channels.email import MailServer
from serving.message_template import checked_template
from tests.engine.storage.shoppers import NOW
from tests.serving.campaign_shop import Inbox, mail_server, mail_settings
from tests.serving.conftest import storefront


def read(letter):
    return email.message_from_bytes(letter[1], policy=email.policy.default)


def test_a_letter_carries_its_code_its_name_and_the_link_that_ends_it(campaign_shop):
    campaign_shop.customers("li")
    campaign_shop.offer()
    words = {
        "subject": "给 {{ user.name }}",
        "text": "您好 {{ user.name }}: {{ offer.name }} {{ code }}",
        "html": "<b>{{ code }}</b>",
    }
    campaign_shop.campaign(["li"], offer="ten", template=words, language="zh")
    inbox = Inbox()
    with mail_server(inbox) as port:
        campaign_shop.send(**mail_settings(port))
        campaign_shop.send(**mail_settings(port))
    ((to, _),) = inbox.letters
    mail = read(inbox.letters[0])
    ((code, source),) = campaign_shop.sql("SELECT code, source_id FROM coupons WHERE user_id = 'li'")
    assert (to, mail["To"], mail["From"]) == (["li@shop.example"], "li@shop.example", "Shop <news@shop.example>")
    assert (mail["Subject"], mail["Message-ID"]) == ("给 Li", f"<{source}@shop.example>")
    text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert text.startswith(f"您好 Li: 立减十元 {code}") and html.strip() == f"<b>{code}</b>"
    link = mail["List-Unsubscribe"].strip("<>")
    assert link.startswith("https://shop.example/hawker/v1/unsubscribe/") and link in text
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert (campaign_shop.figures(), campaign_shop.contacts()) == ({"sent": {"": 1}}, {"li": 1})
    with storefront(campaign_shop.home, settings=campaign_shop.settings()) as open_shop:
        path = link.removeprefix("https://shop.example/hawker")
        assert httpx.post(f"{str(open_shop.client.base_url).rstrip('/')}{path}").status_code == 200
    assert consents_of(campaign_shop.ledger, "li")[0].granted is False


def test_who_refuses_gets_nothing_though_the_message_waits_already(campaign_shop):
    campaign_shop.customers("li", "mo")
    campaign_shop.campaign(["li", "mo", "nobody"])
    say_consent(campaign_shop.ledger, "li", Word("marketing", "all", False, "form"), now=NOW.timestamp())
    inbox = Inbox()
    with mail_server(inbox) as port:
        campaign_shop.send(**mail_settings(port))
    assert [to for to, _ in inbox.letters] == [["mo@shop.example"]]
    assert campaign_shop.figures() == {"sent": {"": 1}, "skipped": {"no_consent": 2}}


def test_no_header_and_no_receiver_can_be_added_by_what_a_customer_is_called(campaign_shop):
    evil = "x\r\nBcc: all@evil.example\r\n\r\nbody"
    campaign_shop.customers("li", attributes={"name": evil})
    campaign_shop.customers("mo", attributes={"email": "mo@shop.example\r\nRCPT TO:<all@evil.example>"})
    campaign_shop.customers("no", attributes={"email": "no@shop.example, all@evil.example"})
    campaign_shop.campaign(["li", "mo", "no"])
    inbox = Inbox()
    with mail_server(inbox) as port:
        campaign_shop.send(**mail_settings(port))
    ((to, content),) = inbox.letters
    assert to == ["li@shop.example"] and read((to, content))["Bcc"] is None
    assert campaign_shop.figures()["skipped"] == {"no_address": 2}


def test_a_server_that_is_away_costs_nothing_and_gets_all_when_it_is_back(campaign_shop):
    names = [f"u{number}" for number in range(25)]
    campaign_shop.customers(*names)
    campaign_shop.campaign(names)
    began, jump = time.time(), [0.0]
    inbox = Inbox()
    with mail_server(inbox) as port:
        pass  # the port is nobody's now
    sender = campaign_shop.sender(real_time=lambda: began + jump[0], **mail_settings(port))
    for _ in range(12):
        campaign_shop.send(sender)
        assert campaign_shop.figures()["waiting"]
        jump[0] += 400.0
    ((attempts,),) = campaign_shop.sql("SELECT max(attempts) FROM campaign_outbox")
    assert (attempts, inbox.letters) == (0, [])
    with mail_server(inbox) as port:
        sender._mail._url = f"smtp://127.0.0.1:{port}"
        campaign_shop.send(sender)
    assert sorted(to for to, _ in inbox.letters) == sorted([f"{name}@shop.example"] for name in names)
    assert campaign_shop.figures() == {"sent": {"": 25}}
    assert campaign_shop.contacts() == dict.fromkeys(names, 1)


def test_letters_are_given_up_with_the_reason_once_they_are_due_for_too_long(campaign_shop):
    campaign_shop.customers("early", "late", "held")
    campaign_shop.campaign(["early"])
    campaign_shop.campaign(["late"], "d", due=NOW + timedelta(hours=10))
    campaign_shop.campaign(["held"], "e")
    with connection_of(campaign_shop.ledger) as connection:  # as a campaign that was paused until lately
        note_change(connection, "e", "resumed", {}, actor=None, now=(NOW + timedelta(hours=70)).timestamp())
    inbox, began, jump = Inbox(), time.time(), [0.0]
    with mail_server(inbox) as port:
        pass  # the port is nobody's now
    sender = campaign_shop.sender(real_time=lambda: began + jump[0], **mail_settings(port))
    for hours in (71, 73):
        campaign_shop.set_clock(NOW + timedelta(hours=hours))
        campaign_shop.send(sender)
        jump[0] += 400.0
        assert bool(campaign_shop.figures().get("waiting")) == (hours == 71)
    ((reason, number),) = campaign_shop.figures()["dead"].items()
    assert number == 1
    assert reason.startswith("given up after 72 hours: the mail server at 127.0.0.1: ")
    assert campaign_shop.contacts()["early"] == 0
    assert (set(campaign_shop.figures("d")), set(campaign_shop.figures("e"))) == ({"waiting"}, {"waiting"})
    with mail_server(inbox) as port:
        sender._mail._url = f"smtp://127.0.0.1:{port}"
        campaign_shop.send(sender)
    assert sorted(to for to, _ in inbox.letters) == [["held@shop.example"], ["late@shop.example"]]


def test_what_a_server_puts_off_is_tried_again_and_what_it_never_takes_is_dead(campaign_shop):
    campaign_shop.customers("li")
    campaign_shop.campaign(["li"])
    began, jump = time.time(), [0.0]
    inbox = Inbox("451 later", "452 later")
    with mail_server(inbox) as port:
        sender = campaign_shop.sender(real_time=lambda: began + jump[0], **mail_settings(port))
        campaign_shop.send(sender)
        assert campaign_shop.figures() == {"waiting": {"451 later": 1}}
        campaign_shop.send(sender)
        assert len(inbox.answers) == 1  # not before its pause is over
        for pause in (6.0, 21.0):
            jump[0] += pause
            campaign_shop.send(sender)
    assert (len(inbox.letters), campaign_shop.figures(), campaign_shop.contacts()) == (1, {"sent": {"": 1}}, {"li": 1})
    campaign_shop.customers("mo")
    campaign_shop.campaign(["mo"], "d")
    inbox = Inbox("550 nobody here")
    with mail_server(inbox) as port:
        campaign_shop.send(**mail_settings(port))
    assert campaign_shop.figures("d") == {"dead": {"550 nobody here": 1}}
    assert campaign_shop.contacts()["mo"] == 0


def test_a_message_is_given_up_after_a_day_of_refusals(campaign_shop):
    campaign_shop.customers("li")
    campaign_shop.campaign(["li"])
    began, jump = time.time(), [0.0]
    inbox = Inbox(*["451 later"] * 20)
    with mail_server(inbox) as port:
        sender = campaign_shop.sender(real_time=lambda: began + jump[0], **mail_settings(port))
        for _ in range(15):
            campaign_shop.send(sender)
            jump[0] += 50_000.0
    assert (campaign_shop.figures(), len(inbox.answers)) == ({"dead": {"451 later": 1}}, 11)


def test_a_template_that_fails_holds_its_messages_until_it_is_mended(campaign_shop):
    campaign_shop.customers("li", "mo", "no")
    broken = {"subject": "x", "text": checked_template("{{ user.unknown }}", field="text")}
    campaign_shop.campaign(["li"], template=broken)
    attack = {"subject": "x", "text": "{% for a in [1,2,3] %}{% for b in 'x' * 9999999 %}{% endfor %}{% endfor %}"}
    campaign_shop.campaign(["no"], "d", template=attack)
    campaign_shop.campaign(["mo"], "e", priority=-1)
    inbox, began, jump = Inbox(), time.time(), [0.0]
    with mail_server(inbox) as port:
        sender = campaign_shop.sender(real_time=lambda: began + jump[0], **mail_settings(port))
        campaign_shop.send(sender)
        assert [to for to, _ in inbox.letters] == [["mo@shop.example"]]
        ((reason, number),) = campaign_shop.figures()["waiting"].items()
        assert (number, reason.startswith("template: template.text: cannot be filled: line 1")) == (1, True)
        assert next(iter(campaign_shop.figures("d")["waiting"])).startswith("template:")
        mended = '{"subject": "x", "text": "fine"}'
        campaign_shop.sql(
            "UPDATE campaigns SET document = jsonb_set(document, '{template}', CAST(:told AS JSONB))"
            " WHERE campaign_id = 'c'",
            told=mended,
        )
        jump[0] += 10.0
        campaign_shop.send(sender)
    assert campaign_shop.figures() == {"sent": {"": 1}}


@pytest.mark.parametrize("url", ["smtp+starttls://127.0.0.1:{}", "smtp://me:secret@127.0.0.1:{}"])
def test_nothing_is_said_to_a_server_without_the_encryption_or_login_that_was_asked_for(campaign_shop, url):
    campaign_shop.customers("li")
    campaign_shop.campaign(["li"])
    inbox = Inbox()
    with mail_server(inbox) as port:
        campaign_shop.send(**{**mail_settings(port), "HAWKER_SMTP_URL": url.format(port)})
    assert (inbox.letters, len(campaign_shop.figures()["waiting"])) == ([], 1)


def test_a_server_gets_the_name_and_the_password_of_the_address():
    asked = []

    def check(server, session, envelope, mechanism, data):
        asked.append((data.login, data.password))
        return AuthResult(success=True)

    with (
        mail_server(Inbox(), authenticator=check, auth_require_tls=False) as port,
        MailServer(f"smtp://me:s%40fe@127.0.0.1:{port}", "a@b.example") as server,
    ):
        server._smtp = server._connected()
    assert asked == [(b"me", b"s@fe")]
