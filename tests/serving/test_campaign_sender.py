"""Sending campaigns over real stores: nothing twice in the ledger, nothing to who said no, at hours of their own."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest

from engine.storage.consents import Word, say_consent
from engine.storage.coupon_issue import import_codes
from engine.storage.ledger import connection_of, rows_of
from engine.targeting.webhook_messages import secret_of
from serving.channels.file import cell, settle
from serving.webhook_sender import WebhookSender
from tests.engine.storage.homes import REPOSITORY
from tests.engine.storage.shoppers import NOW
from tests.serving.campaign_shop import Inbox, mail_server, mail_settings
from tests.serving.conftest import eventually, storefront
from tests.serving.marketing.endpoint import endpoint


def test_on_the_storefront_the_coupon_is_the_customers_and_their_offers_show_it(campaign_shop):
    campaign_shop.customers("li", "mo", subscribed=False)
    campaign_shop.customers("off", attributes={"personalization": "off"})
    campaign_shop.customers("child", birthday="2015-01-01")
    campaign_shop.offer()
    everybody = {"channel": "storefront", "template": None, "offer": "ten"}
    campaign_shop.campaign(["li", "off"], **everybody)
    campaign_shop.campaign(["mo"], "held", arm="holdout", **everybody)
    campaign_shop.campaign(["mo"], "global", arm="global_holdout", **everybody)
    say_consent(campaign_shop.ledger, "mo", Word("marketing", "all", False, "form"), now=NOW.timestamp())
    for _ in range(2):
        campaign_shop.send()
    with storefront(campaign_shop.home, settings=campaign_shop.settings(), now=NOW.timestamp()) as shop:
        (offer,) = shop.get("/v1/users/li/offers").json()["offers"]
        assert (offer["offer_id"], offer["usable"]) == ("ten", True)
        assert [shop.get(f"/v1/users/{name}/offers").json()["offers"] for name in ("mo", "off")] == [[], []]
    assert campaign_shop.figures() == {"sent": {"": 1}, "skipped": {"opted_out": 1}}
    assert campaign_shop.figures("held") == campaign_shop.figures("global") == {"skipped": {"held_out": 1}}


def test_codes_that_wait_are_given_out_first_and_shared_ones_to_everybody(campaign_shop):
    names = [f"u{number}" for number in range(5)]
    campaign_shop.customers(*names)
    campaign_shop.offer()
    campaign_shop.offer(offer_id="all", code="generic")
    import_codes(campaign_shop.ledger, "ten", ["PAPER-1", "PAPER-2"], now=NOW.timestamp())
    import_codes(campaign_shop.ledger, "all", ["HOT"], max_uses=None, now=NOW.timestamp())
    campaign_shop.campaign(names, channel="file", offer="ten")
    campaign_shop.campaign(names, "d", channel="file", offer="all", cap={"messages": 9})
    campaign_shop.send()
    given = {code for (code,) in campaign_shop.sql("SELECT code FROM coupons WHERE user_id IS NOT NULL")}
    assert len(given) == 5 and {"PAPER-1", "PAPER-2"} < given
    codes = {line["code"] for line in lines_of(campaign_shop, "d")}
    assert codes == {"HOT"}


def lines_of(shop, campaign_id="c"):
    found = []
    for path in sorted((shop.home.shop_folder / "exports" / campaign_id).glob("*.csv")):
        with path.open(encoding="utf-8-sig", newline="") as file:
            found += csv.DictReader(file)
    return found


def test_files_hold_each_message_once_no_formula_and_no_address(campaign_shop):
    names = ["=cmd|' /C calc'!A0", "+1", "-1", "@x", " =1", "li"]
    campaign_shop.customers(*names, attributes={"name": '=HYPERLINK("http://evil")', "email": "secret@shop.example"})
    campaign_shop.campaign(names, channel="file", template={"subject": "{{ user.name }}", "text": "你好\n{{ code }}"})
    campaign_shop.send()
    campaign_shop.send()
    lines = lines_of(campaign_shop)
    assert sorted(line["user_id"].removeprefix("'") for line in lines) == sorted(names)
    assert [value for line in lines for value in line.values() if value.strip()[:1] in "=+-@" and value.strip()] == []
    (path,) = (campaign_shop.home.shop_folder / "exports").glob("*/*")
    content = path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf") and b"secret@" not in content
    assert [cell(each) for each in ("\t=1", "1-2", "＝1", "")] == ["'\t=1", "1-2", "'＝1", ""]


def test_a_part_counts_when_its_round_is_in_the_ledger(campaign_shop):
    campaign_shop.customers("li")
    campaign_shop.campaign(["li"], channel="file")
    campaign_shop.send()
    (path,) = (campaign_shop.home.shop_folder / "exports").glob("*/*.csv")
    stopped_behind, stopped_before = path.with_name(path.name + ".new"), path.with_name("00.csv.new")
    stopped_before.write_bytes(path.read_bytes())
    path.rename(stopped_behind)
    settle(campaign_shop.ledger, campaign_shop.home.shop_folder / "exports")
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def hook(shop, url, name="w"):
    shop.sql(
        "INSERT INTO webhooks (webhook_id, url, events, secret, enabled, created_at, updated_at)"
        " VALUES (:id, :url, ARRAY['campaign.message'], :secret, true, now(), now())",
        id=name,
        url=url,
        secret=secret_of(b"x" * 24),
    )


def test_an_endpoint_that_fails_for_an_hour_holds_up_nobody_and_doubles_nothing(campaign_shop):
    names = [f"u{number}" for number in range(6)]
    campaign_shop.customers(*names)
    campaign_shop.offer()
    campaign_shop.campaign(names, channel="webhook", offer="ten")
    assert campaign_shop.send() and campaign_shop.figures()["waiting"] == {"no webhook asks for campaign.message": 6}
    assert campaign_shop.contacts("webhook") == {}
    began, jump, stopping = time.time(), [400.0], threading.Event()
    with endpoint("hang") as hanging, endpoint(500) as failing, endpoint() as well:
        for number, each in enumerate((hanging, failing, well)):
            hook(campaign_shop, each.url, f"w{number}")
        campaign_shop.campaign(names, "other", channel="storefront", template=None, offer="ten")
        campaign_shop.send(real_time=lambda: began + jump[0])
        assert campaign_shop.figures("other") == {"sent": {"": 6}}
        settings = campaign_shop.settings(HAWKER_WEBHOOK_PRIVATE="on")
        sender = WebhookSender(settings, real_time=lambda: began + (time.time() - began) * 600, chance=lambda: 0.5)
        thread = threading.Thread(target=sender.run, args=(stopping,))
        thread.start()
        eventually(lambda: len(well.ids) == 6 and len(failing.ids) >= 20, within=30)
        failing.answers = [200]
        eventually(lambda: len(set(failing.ids)) == 6 and waits(campaign_shop) <= 6, within=30)
        stopping.set()
        thread.join(10)
    assert sorted(well.ids) == sorted(set(failing.ids))
    told = json.loads(well.got[0][1])
    assert told["type"] == "campaign.message" and set(told["data"]) >= {"user_id", "code", "text", "unsubscribe_url"}
    assert (campaign_shop.figures(), campaign_shop.contacts("webhook")) == ({"sent": {"": 6}}, dict.fromkeys(names, 1))
    assert len(campaign_shop.sql("SELECT 1 FROM coupons")) == 12


def waits(shop):
    return shop.sql("SELECT count(*) FROM webhook_deliveries WHERE state = 'waiting'")[0][0]


def test_a_paused_campaign_holds_its_messages_and_one_that_ended_sends_none(campaign_shop):
    campaign_shop.customers("li", "mo")
    campaign_shop.campaign(["li"], channel="file")
    campaign_shop.campaign(["mo"], "late", channel="file", ends_at=(NOW + timedelta(hours=1)).isoformat())
    campaign_shop.set_state("c", "paused")
    campaign_shop.set_clock(NOW + timedelta(hours=2))
    campaign_shop.send()
    assert campaign_shop.figures() == {"waiting": {"": 1}}
    assert campaign_shop.figures("late") == {"skipped": {"ended": 1}}
    campaign_shop.set_state("c", "running")
    campaign_shop.send()
    assert set(campaign_shop.figures()) == {"sent"}


def test_the_night_and_the_cap_are_those_of_the_customers_own_day(campaign_shop):
    campaign_shop.customers("berlin", zone="Europe/Berlin")
    campaign_shop.customers("tokyo", zone="Asia/Tokyo")  # nine in the evening
    inbox = Inbox()
    with mail_server(inbox) as port:
        sender = campaign_shop.sender(HAWKER_QUIET_HOURS="20:00-08:00", **mail_settings(port))
        campaign_shop.campaign(["berlin", "tokyo"])
        campaign_shop.campaign(["berlin", "tokyo"], "d", priority=-1)
        campaign_shop.send(sender)
        assert [to for to, _ in inbox.letters] == [["berlin@shop.example"]]
        assert campaign_shop.figures() == {"sent": {"": 1}, "waiting": {"quiet": 1}}
        assert campaign_shop.figures("d") == {"waiting": {"capped": 1, "quiet": 1}}
        campaign_shop.set_clock(NOW.replace(hour=23, minute=1))  # eight in the morning of the next day in Tokyo
        campaign_shop.send(sender)
        assert [to for to, _ in inbox.letters][1:] == [["tokyo@shop.example"]]
        campaign_shop.set_clock(NOW + timedelta(days=1, hours=-4))
        campaign_shop.send(sender)
        assert campaign_shop.figures("d") == {"sent": {"": 1}, "waiting": {"capped": 1}}


@pytest.mark.parametrize(
    "jump", [timedelta(days=-400), timedelta(days=400), timedelta(hours=-1), timedelta(minutes=20)]
)
def test_nothing_is_sent_twice_when_the_shops_clock_jumps_while_mail_is_on_its_way(campaign_shop, jump):
    names = [f"u{number}" for number in range(8)]
    campaign_shop.customers(*names)
    campaign_shop.campaign(names)
    inbox, entered, let_go = Inbox(), threading.Event(), threading.Event()

    async def held(server, session, envelope):
        entered.set()
        await asyncio.to_thread(let_go.wait, 20)
        inbox.letters.append((envelope.rcpt_tos, envelope.content))
        return "250 OK"

    inbox.handle_DATA = held
    with mail_server(inbox) as port:
        first, second = (campaign_shop.sender(HAWKER_QUIET_HOURS="off", **mail_settings(port)) for _ in range(2))
        assert first.send_due() == 8
        assert entered.wait(10)
        campaign_shop.set_clock(NOW + jump)
        campaign_shop.shoppers.refreshed(days_later=jump / timedelta(days=1))
        assert second.send_due() == 0
        let_go.set()
        campaign_shop.send(first)
        campaign_shop.send(second)
    assert sorted(to for to, _ in inbox.letters) == sorted([f"{name}@shop.example"] for name in names)
    assert campaign_shop.contacts() == dict.fromkeys(names, 1)


def test_several_senders_at_once_keep_caps_budgets_and_every_message_single(campaign_shop):
    names = [f"u{number:03}" for number in range(200)]
    campaign_shop.customers(*names)
    campaign_shop.offer()
    for number in range(4):
        campaign_shop.campaign(names, f"c{number}", channel="webhook", offer="ten", budget=1_000_000)
    campaign_shop.campaign(names, "poor", channel="storefront", template=None, offer="ten", budget=500)
    campaign_shop.sql("UPDATE campaign_members SET expected_cost = 10.0 WHERE campaign_id = 'poor'")
    hook(campaign_shop, "https://shop.example/")
    senders = [campaign_shop.sender() for _ in range(4)]
    threads = [threading.Thread(target=campaign_shop.send, args=(each,)) for each in senders]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert campaign_shop.contacts("webhook") == dict.fromkeys(names, 1)
    assert campaign_shop.figures("poor") == {"sent": {"": 50}, "skipped": {"budget": 150}}
    sent = campaign_shop.sql("SELECT user_id FROM campaign_outbox WHERE state = 'sent' AND channel = 'webhook'")
    assert sorted(user for (user,) in sent) == names
    ((deliveries,),) = campaign_shop.sql("SELECT count(*) FROM webhook_deliveries")
    assert deliveries == 200


_SENDER = """
import sys
from engine.settings import read_settings
from engine.storage.home import home_of
import os, threading
from serving.campaign_sender import CampaignSender
settings = read_settings({name: value for name, value in os.environ.items() if name.startswith("HAWKER_")})
CampaignSender(settings, home_of(settings)).run(threading.Event())
"""


def test_a_sender_that_is_killed_five_times_doubles_nothing_in_the_ledger(campaign_shop):
    names = [f"u{number:03}" for number in range(300)]
    campaign_shop.customers(*names)
    campaign_shop.offer()
    inbox = Inbox()
    with mail_server(inbox) as port:
        campaign_shop.campaign(names, offer="ten")
        campaign_shop.campaign(names, "files", channel="file", offer="ten")
        told = {**campaign_shop.urls, **mail_settings(port), "HAWKER_HOME": str(campaign_shop.home.root)}
        seen = 0
        for _ in range(5):
            process = subprocess.Popen([sys.executable, "-c", _SENDER], cwd=REPOSITORY, env={**os.environ, **told})
            eventually(lambda before=seen: len(inbox.letters) > before + 20, within=60)
            process.kill()
            process.wait()
            seen = len(inbox.letters)
            campaign_shop.sql("UPDATE campaign_outbox SET not_before = NULL")  # the claims end
        campaign_shop.send(rounds=50, **mail_settings(port))
    for campaign in ("c", "files"):
        assert campaign_shop.figures(campaign) == {"sent": {"": 300}} or set(campaign_shop.figures(campaign)) == {
            "sent"
        }
    both = campaign_shop.sql("SELECT channel, count(*), sum(messages)::int FROM contacts GROUP BY 1 ORDER BY 1")
    assert both == [("email", 300, 300), ("file", 300, 300)]
    assert len(campaign_shop.sql("SELECT 1 FROM coupons")) == 600
    assert sorted(line["user_id"] for line in lines_of(campaign_shop, "files")) == names
    ids = {content.split(b"Message-ID: ")[1].split(b"\r\n")[0] for _, content in inbox.letters}
    assert len(ids) == 300  # what was sent again came under its own name


def test_a_ledger_that_refuses_leaves_the_round_untouched(campaign_shop):
    campaign_shop.customers("li")
    campaign_shop.offer()
    campaign_shop.campaign(["li"], channel="file", offer="ten")
    with connection_of(campaign_shop.ledger) as connection:
        rows_of(connection, "ALTER TABLE campaign_tallies RENAME TO elsewhere")
    with pytest.raises(Exception, match="not made yet"):
        campaign_shop.send()
    assert (campaign_shop.figures(), campaign_shop.sql("SELECT 1 FROM coupons")) == ({"waiting": {"": 1}}, [])
    campaign_shop.sql("ALTER TABLE elsewhere RENAME TO campaign_tallies")
    campaign_shop.send()
    assert [line["user_id"] for line in lines_of(campaign_shop)] == ["li"]
