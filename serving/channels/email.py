"""E-mail: one SMTP message a customer, under a name that stays the same however often it is sent.

A server that is away costs the messages nothing: they wait, for HAWKER_MAIL_HOURS at most, and are tried when it is
back. One that takes a message and is cut before it says so gets it a second time, under the same Message-ID.
"""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, parseaddr
from urllib.parse import unquote, urlsplit

from engine.errors import StoreUnavailable
from engine.mail_address import mail_address
from engine.storage.campaign_round import Leaving
from serving.campaign_message import Message

SECONDS = 30.0  # that a mail server may take for one answer
_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
# A long link must stay as it is, which folded headers would not leave it.
_UNFOLDED = SMTP.clone(max_line_length=0)


class Refused(Exception):
    """The server does not take this message; `for_good` says that it never will."""

    def __init__(self, told: str, *, for_good: bool) -> None:
        super().__init__(told)
        self.for_good = for_good


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent, ready made. `day` and the row are those of the message in the outbox."""

    leaving: Leaving
    to: str
    body: bytes


def letter_of(leaving: Leaving, message: Message, *, sender: str, real_now: float) -> Letter:
    """The message as mail servers take it. Headers hold no line of anybody else's."""
    to = mail_address(leaving.customer.email)
    assert to is not None
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = sender, to, message.subject
    mail["Date"] = formatdate(real_now)
    mail["Message-ID"] = f"<{leaving.row.message_id}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    if message.unsubscribe_url:
        mail["List-Unsubscribe"] = f"<{message.unsubscribe_url}>"
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail.set_content(message.text)
    if message.html is not None:
        mail.add_alternative(message.html, subtype="html")
    return Letter(leaving, to, mail.as_bytes(policy=_UNFOLDED))


class MailServer:
    """One connection, opened at the first letter. Raises StoreUnavailable where the server is away or turns us off."""

    def __init__(self, url: str, sender: str) -> None:
        self._parts = urlsplit(url)
        self._sender = parseaddr(sender)[1]
        self._smtp: smtplib.SMTP | None = None

    def __enter__(self) -> MailServer:
        return self

    def __exit__(self, *_: object) -> None:
        if self._smtp is not None:
            self._smtp.close()

    def send(self, letter: Letter) -> None:
        """Returns once the server took it. Raises Refused."""
        try:
            self._smtp = self._smtp or self._connected()
            self._smtp.sendmail(self._sender, [letter.to], letter.body)
        except smtplib.SMTPRecipientsRefused as error:
            code, told = error.recipients[letter.to]
            self._forget()
            raise Refused(f"{code} {_text(told)}", for_good=code >= 500) from error
        except smtplib.SMTPDataError as error:
            self._forget()
            raise Refused(f"{error.smtp_code} {_text(error.smtp_error)}", for_good=error.smtp_code >= 500) from error
        except (smtplib.SMTPException, OSError) as error:
            self._forget()
            raise StoreUnavailable(f"the mail server at {self._parts.hostname}: {error}") from error

    def _connected(self) -> smtplib.SMTP:
        parts = self._parts
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        context = ssl.create_default_context()
        if parts.scheme == "smtps":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=context)
        else:
            smtp = smtplib.SMTP(host, port, timeout=SECONDS)
        try:
            if parts.scheme == "smtp+starttls":
                smtp.starttls(context=context)
            if parts.username:
                smtp.login(unquote(parts.username), unquote(parts.password or ""))
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _forget(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
        self._smtp = None


def _text(told: bytes | str) -> str:
    return (told.decode("utf-8", "replace") if isinstance(told, bytes) else told).replace("\n", " ")
