"""The sender of campaigns: a thread of the jobs process; any number of them may run, and each round is one turn.

A round takes what is due, decides, and lets leave what may: coupons, webhooks and files within the ledger's own
transaction, so exactly once there; e-mail by claim, at least once under the same id. Stores that are away are waited
for, and a mail server that is away holds up nobody but the mail.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from engine.errors import BadInput, HawkerError
from engine.settings import Settings
from engine.storage import clock
from engine.storage.campaign_outbox import Note
from engine.storage.campaign_people import Customer, customers_of
from engine.storage.campaign_round import Habits, Leaving, take_round
from engine.storage.home import Home
from engine.storage.ledger import LedgerConnection, LedgerPool, open_ledger
from engine.storage.online import Client, connect_live
from engine.storage.shop_secrets import LINKS, shop_secret
from engine.targeting.webhook_messages import pause_after
from serving.campaign_message import Message, fault_of, message_of
from serving.channels import file, storefront, webhook
from serving.channels.email import Letter, letter_of
from serving.mail_room import LEASE, MailRoom

log = logging.getLogger("hawker.campaigns")

MOST = 2_000  # customers of one round
MOST_MAIL = 400  # while e-mail is among it: so many are sent soon enough after they were decided
_PAUSE = 1.0  # seconds between two looks where nothing is due
_PATIENCE = 2.0  # seconds before a store that was away is asked again
_LIVE_SECONDS = 5.0
_LANDING = 5.0  # seconds for the letters in hand at the end
_NO_TEMPLATE = "template: the campaign has none, and its channel needs one"


@contextmanager
def sending_campaigns(settings: Settings, home: Home, stopping: threading.Event) -> Iterator[None]:
    """Campaigns are sent, in a thread, until `stopping` is set."""
    sender = CampaignSender(settings, home)
    thread = threading.Thread(target=sender.run, args=(stopping,), name="campaigns", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(_LANDING + 1.0)


class CampaignSender:
    def __init__(
        self,
        settings: Settings,
        home: Home,
        *,
        real_time: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._settings, self._home = settings, home
        self._real_time, self._chance = real_time, chance
        self._habits = Habits(settings.zone, settings.quiet_hours, settings.messages_per_day)
        self._ledger: LedgerPool | None = None
        self._live: Client | None = None
        self._secret = ""
        self._mail: MailRoom | None = None
        self._exports = home.shop_folder / "exports"
        self._unsettled = True

    def run(self, stopping: threading.Event) -> None:
        """Send what is due until `stopping`; stores that are away are waited for."""
        said = ""
        while not stopping.is_set():
            try:
                decided = self.send_due()
                said = ""
                if not decided:
                    stopping.wait(_PAUSE)
            except (HawkerError, OSError) as problem:
                if str(problem) != said:
                    said = str(problem)
                    log.warning("the campaigns wait: %s", said)
                stopping.wait(_PATIENCE)
            except Exception:
                # A campaign that nobody foresaw must not end all others' sending.
                log.exception("a round of campaigns was left; it is taken again")
                stopping.wait(_PATIENCE)
        self.close()

    def send_due(self) -> int:
        """One round; how many messages were decided. Raises what keeps it from being made: nothing is half done."""
        ledger, mail = self._opened(), self._mail
        with_mail = mail is not None and mail.has_room
        channels = ["storefront", "webhook", "file", *(("email",) if with_mail else ())]
        parts, letters = file.Parts(self._exports), list[Letter]()

        def leave(connection: LedgerConnection, leaving: Sequence[Leaving]) -> list[Note]:
            return self._leave(connection, leaving, parts, letters)

        try:
            decided = take_round(
                ledger, self._habits, channels=channels, most=MOST_MAIL if with_mail else MOST,
                people=self._people, leave=leave, now=clock.now(self._home), real_now=self._real_time(),
            )  # fmt: skip
        except BaseException:
            # Whether the commit arrived may not be known: the next round asks the ledger first.
            self._unsettled = parts.are_written
            raise
        parts.publish()
        if letters and mail is not None:
            mail.take(letters)
        return decided

    def close(self) -> None:
        if self._mail is not None:
            self._mail.close(_LANDING)
        if self._ledger is not None:
            self._ledger.dispose()
        if self._live is not None:
            self._live.close()

    def _opened(self) -> LedgerPool:
        settings = self._settings
        if self._ledger is None:
            ledger = open_ledger(settings.postgres_url, settings.shop)
            self._secret = shop_secret(ledger, LINKS)
            self._ledger = ledger
            if settings.smtp_url and settings.mail_from and settings.public_url:
                self._mail = MailRoom(
                    ledger, settings.smtp_url, settings.mail_from, patience=settings.mail_hours * 3600,
                    shop_time=lambda: clock.now(self._home), real_time=self._real_time, chance=self._chance,
                )  # fmt: skip
            else:
                log.info("e-mail waits for HAWKER_SMTP_URL, HAWKER_MAIL_FROM and HAWKER_PUBLIC_URL")
        if self._unsettled:
            file.settle(self._ledger, self._exports)
            self._unsettled = False
        return self._ledger

    def _people(self, user_ids: Sequence[str]) -> dict[str, Customer]:
        url = self._settings.redis_url
        if self._live is None and url:
            self._live = connect_live(url, seconds=_LIVE_SECONDS)
        return customers_of(self._home, self._live, user_ids, now=clock.now(self._home))

    def _leave(
        self, connection: LedgerConnection, leaving: Sequence[Leaving], parts: file.Parts, letters: list[Letter]
    ) -> list[Note]:
        by_channel: dict[str, list[tuple[Leaving, Message | None]]] = {}
        notes = []
        for each in leaving:
            message = self._message(each)
            if isinstance(message, Note):
                notes.append(message)
            else:
                by_channel.setdefault(each.row.channel, []).append((each, message))
        real_now = self._real_time()
        notes += storefront.leave([each for each, _ in by_channel.get("storefront", ())])
        notes += webhook.leave(connection, by_channel.get("webhook", ()), real_now=real_now)
        notes += parts.leave(by_channel.get("file", ()))
        for each, message in by_channel.get("email", ()):
            assert message is not None
            letters.append(letter_of(each, message, sender=self._settings.mail_from, real_now=real_now))
            attempts = each.row.attempts + 1
            notes.append(Note(each.row, attempts=attempts, not_before=real_now + LEASE, counted_on=each.day))
        return notes

    def _message(self, leaving: Leaving) -> Message | Note | None:
        """What leaves, None for a coupon alone, or a note of why it cannot be made: a template can be mended."""
        try:
            message = message_of(leaving, public_url=self._settings.public_url, secret=self._secret)
        except BadInput as problem:
            return self._mending(leaving, fault_of(problem))
        if message is None and leaving.row.channel == "email":
            return self._mending(leaving, _NO_TEMPLATE)
        return message

    def _mending(self, leaving: Leaving, reason: str) -> Note:
        row, attempts = leaving.row, leaving.row.attempts + 1
        pause = pause_after(attempts, self._chance())
        if pause is None:
            return Note(row, "dead", reason, attempts)
        return Note(row, "waiting", reason, attempts, not_before=self._real_time() + pause, counted_on=row.counted_on)
