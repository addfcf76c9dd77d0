"""One webhook message on its way: a POST that ends in time, follows nobody elsewhere and stays out of private networks.

The address is looked up once, checked, and is the one that is connected to, so that a name cannot lead elsewhere
between the check and the use.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from engine.storage.webhooks import is_public

SECONDS = 10.0  # for all of it, from the look-up to the answer's head


class NotSent(Exception):
    """Nobody answered; the message says why."""


def post(url: str, headers: Mapping[str, str], body: bytes, *, private: bool, seconds: float = SECONDS) -> int:
    """The status of the answer, whatever it is. `private` addresses are refused otherwise. Raises NotSent."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    over = threading.Event()
    try:
        with socket.create_connection(_checked_address(host, port, private=private), timeout=seconds) as plain:
            cutter = threading.Timer(seconds, _cut, (plain, over))
            cutter.daemon = True
            cutter.start()
            try:
                connection = http.client.HTTPConnection(host, port, timeout=seconds)
                connection.sock = _encrypted(plain, host) if parts.scheme == "https" else plain
                # The sender's own headers only; a port of the scheme's own is not named.
                connection.request("POST", target, body, {"Host": parts.netloc, "Connection": "close", **headers})
                status = connection.getresponse().status
                if over.is_set():  # what was cut off reads like the end of an answer's head
                    raise TimeoutError
                return status
            finally:
                cutter.cancel()
    except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
        if over.is_set() or isinstance(error, TimeoutError):
            raise NotSent(f"no answer within {seconds:g} s") from error
        raise NotSent(f"{type(error).__name__}: {error}") from error


def _checked_address(host: str, port: int, *, private: bool) -> tuple[str, int]:
    found = [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    inward = [each for each in found if not is_public(each)]
    if inward and not private:
        raise NotSent(f"{host} leads to the private address {inward[0]}; HAWKER_WEBHOOK_PRIVATE=on allows that")
    return found[0], port


def _encrypted(plain: socket.socket, host: str) -> ssl.SSLSocket:
    return ssl.create_default_context().wrap_socket(plain, server_hostname=host)


def _cut(plain: socket.socket, over: threading.Event) -> None:
    """An endpoint that sends a byte now and then would never run into a time limit of single reads."""
    over.set()
    with suppress(OSError):
        socket.socket.shutdown(plain, socket.SHUT_RDWR)
