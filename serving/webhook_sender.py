"""The sender of webhooks: a thread of the jobs process, which is one a shop; messages wait in the ledger.

Each endpoint has few messages on their way at once, so that one that hangs holds up nobody but itself.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.errors import HawkerError
from engine.settings import Settings
from engine.storage.ledger import LedgerPool, open_ledger
from engine.storage.webhook_outbox import Due, claim_due, forget_deliveries, note_delivered, note_failed
from engine.targeting.webhook_messages import headers_of, pause_after
from serving.webhook_post import NotSent, post

log = logging.getLogger("hawker.webhooks")

_MOST = 64  # messages on their way at once
_EACH = 4  # messages of one endpoint at once
_PAUSE = 0.5  # seconds between two looks where nothing is due
_PATIENCE = 1.0  # seconds before a ledger that was away is asked again
_FORGET_EVERY = 3_600.0  # seconds
_LANDING = 2.0  # seconds for what is on its way at the end


@contextmanager
def sending_webhooks(settings: Settings, stopping: threading.Event) -> Iterator[None]:
    """Webhooks are sent, in a thread, until `stopping` is set."""
    sender = WebhookSender(settings)
    thread = threading.Thread(target=sender.run, args=(stopping,), name="webhooks", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(_LANDING + 1.0)


class WebhookSender:
    def __init__(
        self,
        settings: Settings,
        *,
        real_time: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._now = real_time
        self._chance = chance
        self._ledger: LedgerPool | None = None
        self._flying: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._landed = threading.Event()
        self._closed = threading.Event()

    def run(self, stopping: threading.Event) -> None:
        """Send what is due until `stopping`; a ledger that is away is waited for."""
        said, forgot_at = "", 0.0
        while not stopping.is_set():
            try:
                self._landed.clear()
                sent = self.send_due()
                if self._ledger is not None and time.monotonic() - forgot_at > _FORGET_EVERY:
                    forget_deliveries(self._ledger, now=self._now())
                    forgot_at = time.monotonic()
                said = ""
                if not sent:
                    self._landed.wait(_PAUSE)
            except (HawkerError, OSError) as problem:
                if str(problem) != said:
                    said = str(problem)
                    log.warning("the webhooks wait: %s", said)
                stopping.wait(_PATIENCE)
        self._close()

    def send_due(self) -> int:
        """Put what is due on its way, a thread each, which nobody waits for at the end; how many messages."""
        self._ledger = self._ledger or open_ledger(self._settings.postgres_url, self._settings.shop)
        with self._lock:
            busy, free = list(self._flying), _MOST - sum(self._flying.values())
        if free <= 0:
            return 0
        due = claim_due(self._ledger, now=self._now(), busy=busy, each=_EACH, most=free)
        for each in due:
            with self._lock:
                self._flying[each.webhook_id] += 1
            threading.Thread(target=self._send, args=(self._ledger, each), name="webhook", daemon=True).start()
        return len(due)

    def _close(self) -> None:
        """What lands soon is noted; the rest is sent again, under its id, by whoever comes next."""
        until = time.monotonic() + _LANDING
        while self._flying and time.monotonic() < until:
            time.sleep(0.02)
        self._closed.set()
        if self._ledger is not None:
            self._ledger.dispose()

    def _send(self, ledger: LedgerPool, due: Due) -> None:
        try:
            self._attempt(ledger, due)
        except Exception:
            # The lease ends, and it is tried again: nothing is lost by what nobody foresaw.
            log.exception("the message %s was not sent", due.message_id)
        finally:
            with self._lock:
                self._flying[due.webhook_id] -= 1
                if not self._flying[due.webhook_id]:
                    del self._flying[due.webhook_id]
            self._landed.set()

    def _attempt(self, ledger: LedgerPool, due: Due) -> None:
        body, status = due.body.encode(), None
        try:
            headers = headers_of(due.secrets, due.message_id, int(self._now()), body)
            status = post(due.url, headers, body, private=self._settings.webhook_private)
            told = f"answered {status}" + ("; redirects are not followed" if 300 <= status < 400 else "")
        except NotSent as problem:
            told = str(problem)
        if self._closed.is_set():
            return
        if status is not None and 200 <= status < 300:
            note_delivered(ledger, due.id, status, now=self._now())
            return
        pause = pause_after(due.attempts, self._chance())
        now = self._now()
        note_failed(ledger, due.id, status=status, error=told, again_at=None if pause is None else now + pause, now=now)
        end = "failed" if pause else "dead"
        log.info("webhook=%s message=%s attempt=%d %s", due.webhook_id, due.message_id, due.attempts, end)
