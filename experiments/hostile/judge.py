"""The judge: sends hostile cases to a storefront and holds each answer against what must come of it."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

from experiments.hostile.cases import Hostile

_CHUNK = 65_536
#: Bytes of an answer to one wrong thing: what was sent must not come back as it was.
_LONGEST_ANSWER = 8_192


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of the cases: how often each status came, what was not as it must be, the slowest answer (s)."""

    statuses: Mapping[int, int]
    faults: Sequence[str]
    slowest: float
    sent: int


def judge(port: int, cases: Iterable[Hostile], *, key: str | None = None) -> Judged:
    """Send each case on one connection; an answer that does not come is a fault, too."""
    statuses: Counter[int] = Counter()
    faults, slowest, sent = [], 0.0, 0
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        for case in cases:
            began = time.perf_counter()
            try:
                status, kind, text = _asked(connection, case, key)
            except (OSError, http.client.HTTPException) as problem:
                connection.close()
                status, fault = 0, f"no answer: {problem!r}"
            else:
                fault = _fault(case, status, kind, text) or ""
            sent += 1
            statuses[status] += 1
            slowest = max(slowest, time.perf_counter() - began)
            if fault:
                faults.append(f"{case.method} {case.path[:80]} {case.body[:160]!r}: {fault}")
    return Judged(dict(sorted(statuses.items())), faults, slowest, sent)


def _asked(connection: http.client.HTTPConnection, case: Hostile, key: str | None) -> tuple[int, str, bytes]:
    headers = dict(case.headers) | ({"Authorization": f"Bearer {key}"} if key else {})
    body: Any = case.body
    if case.chunked:  # without a length, which the server must find out by itself
        body = (case.body[at : at + _CHUNK] for at in range(0, len(case.body), _CHUNK))
    # A server may refuse a large body before it has read it, and close; the answer is there all the same.
    with suppress(BrokenPipeError, ConnectionResetError):
        connection.request(case.method, case.path, body, headers, encode_chunked=case.chunked)
    answer = connection.getresponse()
    return answer.status, answer.headers.get("content-type", ""), answer.read()


def _fault(case: Hostile, status: int, kind: str, text: bytes) -> str | None:
    if status not in case.right:
        return f"{status} instead of {' or '.join(map(str, sorted(case.right)))}: {text[:200]!r}"
    if len(text) > _LONGEST_ANSWER:
        return f"{status} with an answer of {len(text)} bytes"
    try:
        said = json.loads(text)
    except ValueError:
        return f"{status} with an answer that is no JSON"
    if status == 200:
        if said.get("accepted") or said.get("duplicates") or not (said.get("rejected") or said.get("ignored")):
            return f"not refused: {text[:200]!r}"
        if not said["rejected"]:
            return None  # a call of Segment's that says nothing here
        said = said["rejected"][0]
    elif kind != "application/problem+json" or said.get("status") != status:
        return f"{status} as {kind}, which is no problem document"
    return _unnamed(case, str(said.get("field") or ""))


def _unnamed(case: Hostile, field: str) -> str | None:
    if not case.names or (field and "*" in case.names):
        return None
    if {field, re.split(r"[.\[]", field)[0]} & case.names:
        return None
    return f"names {field[:80]!r} instead of {' or '.join(sorted(case.names))[:200]!r}"
