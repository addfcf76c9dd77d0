"""Webhooks: signed messages to a real server that fails, hangs, drips and comes back."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest

from engine.storage.home import Home
from engine.storage.ledger import opened_ledger
from engine.storage.webhook_outbox import announce, claim_due, forget_deliveries
from engine.targeting.webhook_messages import MOST_ATTEMPTS, headers_of, pause_after
from serving.webhook_post import NotSent, post
from serving.webhook_sender import WebhookSender
from tests.serving.conftest import eventually
from tests.serving.marketing.conftest import marketing_interface
from tests.serving.marketing.endpoint import endpoint, is_signed
from tests.stores import SHOP, settings_of


@pytest.fixture
def office(ledger_url, tmp_path):
    home = Home(tmp_path / "home")
    values = {"HAWKER_POSTGRES_URL": ledger_url, "HAWKER_WEBHOOK_PRIVATE": "on"}
    with marketing_interface(home, settings_of(home.root, **values)) as running:
        yield running


@pytest.fixture
def ledger(ledger_url):
    with opened_ledger(ledger_url, SHOP) as opened:
        yield opened


@contextmanager
def sending(office, faster=1.0):
    """The sender; `faster` lets its clock run, so that pauses of hours pass in seconds."""
    began, stopping = time.time(), threading.Event()
    sender = WebhookSender(
        office.runtime.settings,
        real_time=(lambda: time.time()) if faster == 1.0 else (lambda: began + (time.time() - began) * faster),
        chance=lambda: 0.5,
    )
    thread = threading.Thread(target=sender.run, args=(stopping,))
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(15)


def hook(office, url, events=("segment.entered", "segment.left")):
    made = office.post("/v1/webhooks", url=url, events=list(events))
    assert made.status_code == 201, made.text
    return made.json()


def states(office, webhook):
    found = office.get(f"/v1/webhooks/{webhook['webhook_id']}/deliveries").json()["deliveries"]
    return [each["state"] for each in found]


def test_a_message_arrives_signed_and_once_however_often_it_is_announced(office, ledger):
    with endpoint() as there, sending(office):
        webhook = hook(office, there.url)
        hook(office, there.url, ["webhook.test"])
        for _ in range(3):
            announce(ledger, "segment.entered", {"segment": "常客"}, message_id="msg_1", now=time.time())
        eventually(lambda: states(office, webhook) == ["delivered"])
    ((headers, body),) = there.got
    assert is_signed(webhook["secret"], headers, body)
    assert not is_signed(webhook["secret"], headers, body + b" ")
    assert (headers["webhook-id"], headers["Content-Type"]) == ("msg_1", "application/json")
    assert "常客" in body.decode()


def test_the_signature_is_that_of_the_standards_own_example():
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    headers = headers_of([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_failed_message_is_sent_again_under_its_id_until_it_is_taken(office, ledger):
    with endpoint(500, 302, 429, 204) as there, sending(office, faster=200.0):
        webhook = hook(office, there.url)
        announce(ledger, "segment.left", {}, message_id="msg_1", now=time.time())
        eventually(lambda: states(office, webhook) == ["delivered"])
    assert there.ids == ["msg_1"] * 4
    (delivery,) = office.get(f"/v1/webhooks/{webhook['webhook_id']}/deliveries").json()["deliveries"]
    assert (delivery["attempts"], delivery["last_status"], delivery["last_error"]) == (4, 204, None)


def test_what_is_never_taken_is_given_up_after_a_day_and_replayed_by_hand(office, ledger):
    pauses = [pause_after(attempt, 0.5) for attempt in range(1, MOST_ATTEMPTS)]
    assert pauses == [5, 20, 80, 320, 1_280, 5_120, 20_480, 43_200]
    assert pause_after(MOST_ATTEMPTS, 0.5) is None
    assert (pause_after(1, 0.0), pause_after(1, 1.0)) == (4.0, 6.0)
    with endpoint(500) as there, sending(office, faster=20_000.0):
        webhook = hook(office, there.url)
        announce(ledger, "segment.left", {}, message_id="msg_1", now=time.time())
        eventually(lambda: states(office, webhook) == ["dead"], within=30)
        assert len(there.got) == MOST_ATTEMPTS
        there.answers = [200]
        path = f"/v1/webhooks/{webhook['webhook_id']}"
        (dead,) = office.get(f"{path}/deliveries", state="dead").json()["deliveries"]
        assert (dead["last_status"], dead["last_error"]) == (500, "answered 500")
        assert office.post(f"{path}/replay").json() == {"replayed": 1}
        eventually(lambda: states(office, webhook) == ["delivered"])
        one = f"{path}/deliveries/{dead['delivery_id']}/replay"
        assert office.post(one).json() == {"replayed": 1}
        eventually(lambda: len(there.got) == MOST_ATTEMPTS + 2)
    assert set(there.ids) == {"msg_1"}
    assert office.post(f"{path}/deliveries/999999/replay").status_code == 404


def test_endpoints_that_hang_hold_up_nobody_else(office, ledger):
    with endpoint("hang") as hanging, endpoint("drip") as dripping, endpoint() as well, sending(office):
        stuck = [hook(office, each.url) for each in (hanging, dripping)]
        fine = hook(office, well.url)
        began = time.monotonic()
        for number in range(20):
            announce(ledger, "segment.entered", {}, message_id=f"msg_{number}", now=time.time())
        eventually(lambda: states(office, fine) == ["delivered"] * 20)
        assert time.monotonic() - began < 9
        assert (len(hanging.got), len(dripping.got)) == (4, 4)
        eventually(
            lambda: any(
                each["last_error"] == "no answer within 10 s"
                for webhook in stuck
                for each in office.get(f"/v1/webhooks/{webhook['webhook_id']}/deliveries").json()["deliveries"]
            ),
            within=20,
        )


def test_an_answer_that_never_ends_is_cut(office):
    with endpoint("drip") as there:
        began = time.monotonic()
        with pytest.raises(NotSent, match="within 1 s"):
            post(there.url, {}, b"{}", private=True, seconds=1.0)
    assert time.monotonic() - began < 3


def test_what_a_killed_sender_had_in_hand_is_sent_by_the_next(office, ledger):
    with endpoint() as there:
        webhook = hook(office, there.url)
        announce(ledger, "segment.entered", {}, message_id="msg_1", now=time.time())
        assert len(claim_due(ledger, now=time.time(), busy=[], each=4, most=9)) == 1
        assert claim_due(ledger, now=time.time(), busy=[], each=4, most=9) == []
        with sending(office, faster=100.0):
            eventually(lambda: states(office, webhook) == ["delivered"])
    assert there.ids == ["msg_1"]
    assert forget_deliveries(ledger, now=time.time()) == 0
    assert forget_deliveries(ledger, now=time.time() + 40 * 86_400) == 1


def test_a_new_secret_signs_at_once_and_the_former_for_a_day_more(office):
    with endpoint() as there, sending(office):
        webhook = hook(office, there.url)
        path = f"/v1/webhooks/{webhook['webhook_id']}"
        renewed = office.post(f"{path}/secret").json()["secret"]
        assert office.post(f"{path}/test").status_code == 202
        eventually(lambda: there.got)
    headers, body = there.got[0]
    assert renewed != webhook["secret"]
    assert is_signed(renewed, headers, body) and is_signed(webhook["secret"], headers, body)


def test_webhooks_are_listed_changed_disabled_and_removed(office, ledger):
    webhook = hook(office, "https://shop.example/hook")
    path = f"/v1/webhooks/{webhook['webhook_id']}"
    assert "secret" not in office.get(path).json()
    assert office.patch(path, events=["segment.left"], enabled=False).json()["enabled"] is False
    assert announce(ledger, "segment.left", {}, message_id="m", now=time.time()) == 0
    assert [each["webhook_id"] for each in office.get("/v1/webhooks").json()["webhooks"]] == [webhook["webhook_id"]]
    assert office.delete(path).json() == {"deleted": True}
    assert office.get(path).json()["code"] == "unknown_webhook"
    assert office.get("/v1/webhooks/%00").status_code == 404


PRIVATE = [
    *("127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0", "localhost"),
    *("[::1]", "[fd00::1]", "[::ffff:10.0.0.1]"),
]


@pytest.mark.parametrize("host", PRIVATE)
def test_private_addresses_are_refused_when_said_and_when_a_name_leads_there(ledger_url, tmp_path, host):
    home = Home(tmp_path / "home")
    with marketing_interface(home, settings_of(home.root, HAWKER_POSTGRES_URL=ledger_url)) as closed:
        answer = closed.post("/v1/webhooks", url=f"https://{host}/", events=["segment.left"])
        assert (answer.status_code, answer.json()["code"]) == (422, "private_address")
    with pytest.raises(NotSent, match="private address"):
        post(f"https://{host}/", {}, b"", private=False)


@pytest.mark.parametrize(
    "url",
    ["http://shop.example/", "ftp://shop.example", "https://", "https://a:b@shop.example/", "https://x:99999/", "a b"],
)
def test_an_address_that_is_none_is_refused(ledger_url, tmp_path, url):
    home = Home(tmp_path / "home")
    with marketing_interface(home, settings_of(home.root, HAWKER_POSTGRES_URL=ledger_url)) as closed:
        answer = closed.post("/v1/webhooks", url=url, events=["segment.left"])
        assert (answer.status_code, answer.json()["field"]) == (422, "url")
        nothing = closed.post("/v1/webhooks", url="https://shop.example", events=["segment.gone"])
        assert (nothing.status_code, nothing.json()["field"]) == (422, "events")
