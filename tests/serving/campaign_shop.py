"""A shop whose campaigns are sent: real stores, customers, campaigns as a launch leaves them, a mail server."""

from __future__ import annotations

import json
import ssl
import time
from contextlib import contextmanager
from datetime import UTC, datetime

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from engine.storage import clock
from engine.storage.campaign_outbox import outbox_figures
from engine.storage.campaigns import create_campaign
from engine.storage.home import Home
from engine.storage.ledger import connection_of, insert_new, rows_of
from engine.storage.live_documents import document_key
from engine.storage.offer_documents import put_offer
from engine.targeting.campaign import checked_campaign
from serving.campaign_sender import CampaignSender
from tests.engine.storage.shoppers import NOW, Shoppers
from tests.stores import settings_of

TEMPLATE = {"subject": "For {{ user.name }}", "text": "Hello {{ user.name }}, your code is {{ code }}."}
OFFER = {
    "offer_id": "ten", "name": {"en": "Ten off", "zh": "立减十元"}, "benefit": {"kind": "percent", "percent": 10},
}  # fmt: skip


class CampaignShop:
    def __init__(self, root, ledger, live, urls):
        self.home, self.ledger, self.live = Home(root), ledger, live
        self.shoppers = Shoppers(self.home)
        self.urls, self.senders = urls, []
        self.set_clock(NOW)

    def set_clock(self, moment):
        clock.set_offset(self.home, moment.timestamp() - time.time())

    def settings(self, **more):
        return settings_of(self.home.root, **{**self.urls, **more})

    def customers(self, *names, subscribed=True, **document):
        """Customers that agreed, with an address each; `document` is what the shop says of all of them."""
        said = [(name, "subscribe" if subscribed else "login", 5, {}) for name in names]
        self.shoppers.happened(*said)
        self.shoppers.refreshed()
        for name in names:
            attributes = {"email": f"{name}@shop.example", "name": name.title(), **document.get("attributes", {})}
            told = {"user_id": name, **document, "attributes": attributes}
            self.live.set(document_key("default", "users", name), json.dumps(told))

    def offer(self, **more):
        put_offer(self.ledger, {**OFFER, **more}, actor=None, now=NOW.timestamp(), zone="UTC")

    def campaign(self, users, campaign_id="c", *, arm="treatment", steps=1, due=NOW, offer=None, **document):
        """A running campaign with a message for each of the users."""
        told = {"name": campaign_id, "audience": {"users": ["u"]}, "channel": "email", "template": TEMPLATE}
        told |= {"offers": [offer] if offer else []} | document
        create_campaign(self.ledger, checked_campaign(told), campaign_id=campaign_id, actor=None, now=NOW.timestamp())
        with connection_of(self.ledger) as connection:
            members = ((campaign_id, user, arm, offer, 0.8, NOW) for user in users)
            columns = ("campaign_id", "user_id", "arm", "offer_id", "propensity", "joined_at")
            insert_new(connection, "campaign_members", columns, members)
            rows = (
                (campaign_id, user, step, told["channel"], "waiting", 0, due) for user in users for step in range(steps)
            )
            columns = ("campaign_id", "user_id", "step", "channel", "state", "attempts", "due_at")
            insert_new(connection, "campaign_outbox", columns, rows)
        self.set_state(campaign_id, "running")

    def set_state(self, campaign_id, state):
        self.sql("UPDATE campaigns SET state = :state WHERE campaign_id = :id", state=state, id=campaign_id)

    def sql(self, statement, **values):
        with connection_of(self.ledger) as connection:
            return rows_of(connection, statement, **values)

    def figures(self, campaign_id="c"):
        return outbox_figures(self.ledger, campaign_id)

    def contacts(self, channel="email"):
        told = "SELECT user_id, sum(messages)::int FROM contacts WHERE channel = :channel GROUP BY 1"
        return dict(self.sql(told, channel=channel))

    def sender(self, real_time=time.time, **more):
        made = CampaignSender(self.settings(**more), self.home, real_time=real_time, chance=lambda: 0.5)
        self.senders.append(made)
        return made

    def send(self, sender=None, rounds=20, **more):
        """Rounds until nothing is due any more and the mail is through."""
        sender = sender or self.sender(**more)
        for _ in range(rounds):
            decided = sender.send_due()
            mail = sender._mail
            while mail is not None and mail._thread is not None and mail._thread.is_alive():
                time.sleep(0.005)
            if not decided:
                break
        return sender

    def close(self):
        for each in self.senders:
            each.close()


class Inbox:
    """What a mail server got; `answers` are what it says to each message, "250 OK" after the last."""

    def __init__(self, *answers):
        self.letters, self.answers = [], list(answers)

    async def handle_DATA(self, server, session, envelope):
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer.startswith("250"):
            self.letters.append((envelope.rcpt_tos, envelope.content))
        return answer


class _Quiet(SMTP):
    """aiosmtpd tells on stderr of every connection that is cut."""

    def connection_lost(self, error):
        super().connection_lost(None)


@contextmanager
def mail_server(inbox, *, context: ssl.SSLContext | None = None, **options):
    class Door(Controller):
        def factory(self):
            return _Quiet(self.handler, **self.SMTP_kwargs)

        def _trigger_server(self):
            self.port = self.server.sockets[0].getsockname()[1]
            super()._trigger_server()

    controller = Door(inbox, hostname="127.0.0.1", port=0, **({"tls_context": context} if context else {}), **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def mail_settings(port):
    return {
        "HAWKER_SMTP_URL": f"smtp://127.0.0.1:{port}",
        "HAWKER_MAIL_FROM": "Shop <news@shop.example>",
        "HAWKER_PUBLIC_URL": "https://shop.example/hawker",
    }


def at(*parts):
    return datetime(*parts, tzinfo=UTC)
