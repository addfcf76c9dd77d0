"""Bench `launch`: a million recipients planned and in the outbox, and a sender that is killed while it sends.

The launch runs over the generated shop in a process of its own, whose memory is told; nobody is held out, so that
whoever can be reached is a recipient, and each gets a coupon of their own. The kills are over a small shop: the
process that sends is killed five times, and the ledger is then asked whether anybody was sent to twice.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from engine.errors import StoreUnavailable
from engine.settings import Settings, read_settings
from engine.storage.campaign_launch import launch_campaign
from engine.storage.campaigns import create_campaign
from engine.storage.customer_refresh import refresh_customers
from engine.storage.embedded import STORES, Stores, open_stores
from engine.storage.home import Home
from engine.storage.ledger import LedgerPool, connection_of, opened_ledger, rows_of
from engine.storage.migrate import migrate
from engine.storage.offer_documents import put_offer
from engine.targeting.campaign import checked_campaign
from experiments.customer_scale import scaled_shop
from experiments.findings import Asked, Conditions, Findings
from experiments.traits_bench import in_own_process

_CODE = Path(__file__).resolve().parents[1]
_ZONE = "Asia/Shanghai"
_SECONDS, _GIB = 60, 4
_KILLS = 5
_PATIENCE = 120.0  # seconds for the rest to be sent
_ID = "everybody"


def measure_launch(conditions: Conditions) -> Findings:
    """The launch over the large shop, then the kills over the small one."""
    shop = scaled_shop(conditions)
    now = shop.last.timestamp()
    refresh_customers(shop.home, now=now, zone=_ZONE, threads=2)
    launched = in_own_process(launch_everybody, shop.home, now)
    small = scaled_shop(Conditions(True, conditions.data, conditions.scratch / "small", conditions.seed))
    refresh_customers(small.home, now=time.time(), zone=_ZONE, threads=2)
    killed = kill_the_sender(small.home, _KILLS)
    figures = {"people": shop.people, "launch": launched, "kills": killed}
    asked = (
        Asked("recipients in the outbox of those who were planned", float(launched["outbox"]), launched["treated"]),
        Asked("seconds to plan", launched["plan_seconds"], at_most=_SECONDS),
        Asked("seconds until all are in the outbox, with members and coupons", launched["freeze_seconds"],
              at_most=_SECONDS),
        Asked("peak memory of the launch, GiB", launched["peak_mib"] / 1024, at_most=_GIB),
        Asked("kills of the sender while messages waited", float(killed["kills"]), _KILLS),
        Asked("recipients who were sent to", float(killed["sent"]), killed["recipients"]),
        Asked("recipients who are in the ledger twice", float(killed["doubled"]), at_most=0),
    )  # fmt: skip
    return Findings(figures, asked)


def launch_everybody(home: Home, now: float) -> dict[str, Any]:
    """Seconds of the plan and of the freeze that follows it, and what the ledger holds afterwards."""
    settings = _settings(home)
    began: dict[str, float] = {}

    def goes_on(stage: str) -> bool:
        began[stage] = time.perf_counter()
        return True

    with open_stores(settings, {"ledger"}) as stores:
        migrate(stores.ledger_url, settings.shop)
        with opened_ledger(stores.ledger_url, settings.shop) as ledger:
            _draft(ledger, now)
            done = launch_campaign(home, ledger, _ID, settings, actor="bench", now=now, goes_on=goes_on)
            ended = time.perf_counter()
            (counted,) = _rows(
                ledger,
                "SELECT (SELECT count(*) FROM campaign_members), (SELECT count(*) FROM campaign_outbox),"
                " (SELECT count(*) FROM coupons)",
            )
    assert done.plan is not None
    return {
        "reachable": done.plan["reachable"],
        "treated": done.plan["treated"],
        **dict(zip(("members", "outbox", "coupons"), counted, strict=True)),
        "plan_seconds": round(began["freeze"] - began["plan"], 2),
        "freeze_seconds": round(ended - began["freeze"], 2),
    }


def kill_the_sender(home: Home, kills: int) -> dict[str, Any]:
    """A launched campaign whose sender is killed again and again while it sends, and what the ledger says then."""
    settings = _settings(home)
    with ExitStack() as held:
        stores = held.enter_context(open_stores(settings, STORES))
        migrate(stores.ledger_url, settings.shop)
        ledger = held.enter_context(opened_ledger(stores.ledger_url, settings.shop))
        _draft(ledger, time.time())
        launch_campaign(home, ledger, _ID, settings, actor="bench", now=time.time())
        recipients, done = _count(ledger, "true"), 0
        sender = held.enter_context(_Sender(home, stores))
        for turn in range(kills):
            # The kills are spread over what is to be sent; each falls while something still waits.
            _wait_for(ledger, "state = 'sent'", recipients * turn // (kills + 1) + 1)
            done += _count(ledger, "state = 'waiting'") > 0
            sender.start_again()
        _wait_for(ledger, "state <> 'waiting'", recipients)
        return {
            "recipients": recipients,
            "kills": done,
            "sent": _count(ledger, "state = 'sent'"),
            "doubled": _rows(ledger, "SELECT count(*) FROM contacts WHERE messages > 1")[0][0],
            "contacts": _rows(ledger, "SELECT coalesce(sum(messages), 0)::BIGINT FROM contacts")[0][0],
        }


class _Sender:
    """The jobs process, in which campaigns are sent, as the supervisor starts it."""

    def __init__(self, home: Home, stores: Stores) -> None:
        told = {"HOME": str(home.root), "GLOBAL_HOLDOUT": "0", "POSTGRES_URL": stores.ledger_url}
        told |= {"REDIS_URL": stores.live_url, "STREAM_URL": stores.stream_url}
        plain = {name: value for name, value in os.environ.items() if not name.startswith("HAWKER_")}
        self._environment = {**plain, **{f"HAWKER_{name}": value for name, value in told.items()}}
        self._environment["PYTHONPATH"] = str(_CODE)
        self._lifeline, self._held = os.pipe()
        self._log = (home.root / "jobs.log").open("ab")

    def __enter__(self) -> _Sender:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()
        self._log.close()
        os.close(self._held)
        os.close(self._lifeline)

    def start_again(self) -> None:
        """After SIGKILL."""
        self._kill()
        self._start()

    def _start(self) -> None:
        heard, status = os.pipe()
        command = [sys.executable, "-P", "-m", "serving.jobs_process"]
        command += ["--lifeline", str(self._lifeline), "--status", str(status)]
        self._process = subprocess.Popen(
            command, env=self._environment, pass_fds=(self._lifeline, status), stdin=subprocess.DEVNULL,
            stdout=self._log, stderr=self._log,
        )  # fmt: skip
        os.close(status)
        os.read(heard, 1_000)  # until it is ready, or gone
        os.close(heard)

    def _kill(self) -> None:
        self._process.kill()
        self._process.wait()


def _wait_for(ledger: LedgerPool, condition: str, number: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while _count(ledger, condition) < number:
        if time.monotonic() > deadline:
            raise StoreUnavailable(f"of the outbox only {_count(ledger, condition)} rows are {condition}")
        time.sleep(0.02)


def _draft(ledger: LedgerPool, now: float) -> None:
    """A campaign for all customers with one offer; the storefront asks for no consent to messages."""
    offer = {"offer_id": "five", "name": "Five", "benefit": {"kind": "amount", "amount": 500}, "currency": "EUR"}
    put_offer(ledger, offer, actor="bench", now=now, zone=_ZONE)
    everybody = {"trait": "visits_365d", "op": ">=", "value": 0}
    document = {
        "name": "Everybody", "audience": {"rule": everybody}, "channel": "storefront", "offers": ["five"],
        "holdout": 0, "budget": 10**9,
    }  # fmt: skip
    create_campaign(ledger, checked_campaign(document), campaign_id=_ID, actor="bench", now=now)


def _settings(home: Home) -> Settings:
    # Nobody is held out, and nobody has to approve: recipients are counted here, not what they buy.
    told = {"HOME": str(Path(home.root)), "GLOBAL_HOLDOUT": "0", "APPROVAL_BUDGET": str(10**9), "ZONE": _ZONE}
    return read_settings({f"HAWKER_{name}": value for name, value in told.items()})


def _count(ledger: LedgerPool, condition: str) -> int:
    return int(_rows(ledger, f"SELECT count(*) FROM campaign_outbox WHERE {condition}")[0][0])


def _rows(ledger: LedgerPool, statement: str) -> list[tuple[Any, ...]]:
    with connection_of(ledger) as connection:
        return rows_of(connection, statement)
