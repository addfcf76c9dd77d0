"""Callers at the till: requests made beforehand, sent together or at a pace, each answer written down."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import StoreUnavailable
from experiments.redemption_history import Call, CallLog, Promise
from experiments.traffic.connection import Connection, Lost, post

REDEEM, VALIDATE = "/v1/coupons/redemptions", "/v1/coupons/validations"
PRICE = 5_000


@dataclass(frozen=True, slots=True)
class Wish:
    """One order that wants to use one code; the key names the request."""

    code: str
    order_id: str
    user_id: str
    key: str

    def request(self, *, validate: bool = False) -> bytes:
        lines = [{"item_id": f"i{place}", "quantity": 2, "unit_price": PRICE} for place in range(3)]
        body: dict[str, Any] = {
            "user_id": self.user_id,
            "codes": [self.code],
            "basket": {"currency": "EUR", "lines": lines},
        }
        if validate:
            return post(VALIDATE, json.dumps(body).encode())
        body["order_id"] = self.order_id
        return post(REDEEM, json.dumps(body).encode(), {"Idempotency-Key": self.key})


def wish(name: str, code: str, user_id: str | None = None) -> Wish:
    """An order with a key of its own."""
    return Wish(code, f"order {name}", user_id or f"user {name}", f"key-{name}".replace(" ", "-"))


class Callers:
    """Connections of one process to one shop, and the record of what they were told."""

    def __init__(self, port: int, log: CallLog, *, connections: int = 64, seconds: float = 30.0) -> None:
        self._log = log
        self._free = [Connection(port, seconds=seconds) for _ in range(connections)]

    async def rush(self, name: str, promise: Promise, wishes: Sequence[Wish]) -> list[int]:
        """All wishes of a round, as many at once as there are connections; they begin together. Their statuses."""
        self._log.promise(name, promise)
        waiting, statuses = iter(wishes), list[int]()
        await asyncio.gather(*(each.opened() for each in self._free))

        async def caller(connection: Connection) -> None:
            for each in waiting:
                statuses.append((await self.call(connection, name, each)).status)

        await asyncio.gather(*(caller(each) for each in self._free))
        return statuses

    async def one(self, name: str, wish: Wish) -> Call:
        """One call by itself."""
        return await self.call(self._free[0], name, wish)

    def promise(self, name: str, promise: Promise) -> None:
        self._log.promise(name, promise)

    async def until_told_by(self, number: int, name: str, wish: Wish, *, seconds: float = 60.0) -> None:
        """A wish over connection `number`, again and again with its key; StoreUnavailable when it is never told."""
        deadline = time.monotonic() + seconds
        while not _is_told(await self.call(self._free[number], name, wish)):
            if time.monotonic() > deadline:
                raise StoreUnavailable(f"{wish.key} was not answered within {seconds:g} s")
            await asyncio.sleep(0.05)

    async def until_told(self, name: str, wishes: Sequence[Wish], *, seconds: float = 60.0) -> None:
        """The same for many, over all connections."""
        waiting = iter(wishes)

        async def caller(number: int) -> None:
            for each in waiting:
                await self.until_told_by(number, name, each, seconds=seconds)

        await asyncio.gather(*(caller(number) for number in range(len(self._free))))

    async def at_pace(self, name: str, wishes: Sequence[Wish], per_second: float, *, validate: bool = False) -> Pace:
        """Open loop: wish k is due at k / `per_second`, and its time counts from then, late or not."""
        requests = [each.request(validate=validate) for each in wishes]
        free: asyncio.Queue[Connection] = asyncio.Queue()
        for connection in self._free:
            free.put_nowait(await connection.opened())
        told: list[tuple[int, _Answer]] = []
        began = time.perf_counter()

        async def one(place: int) -> None:
            connection = await free.get()
            try:
                told.append((place, await _answer_of(connection, requests[place])))
            finally:
                free.put_nowait(connection)

        # One task a request, made when it is due: all of them at once keep this process busy for the first second,
        # and the server gets the blame. For the same reason answers are read when all have come.
        async with asyncio.TaskGroup() as sending:
            for place in range(len(wishes)):
                if (early := began + place / per_second - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                sending.create_task(one(place))
        took = time.perf_counter() - began
        if not validate:
            for place, answer in told:
                self._log.write(_call_of(name, wishes[place], *answer))
        seconds = [answered - began - place / per_second for place, (_, answered, _, _) in told]
        return Pace(seconds, sum(status in (200, 201) for _, (_, _, status, _) in told), took)

    async def call(self, connection: Connection, name: str, wish: Wish) -> Call:
        call = _call_of(name, wish, *await _answer_of(connection, wish.request()))
        self._log.write(call)
        return call

    async def close(self) -> None:
        await asyncio.gather(*(each.close() for each in self._free))


@dataclass(frozen=True, slots=True)
class Pace:
    """`seconds` of each answer from when it was due, how many were as wished, and how long all took."""

    seconds: Sequence[float]
    fine: int
    took: float

    @property
    def per_second(self) -> float:
        return self.fine / self.took

    def milliseconds(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return 1_000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


#: When a request was sent and answered, the answer's status (0 for none) and body.
_Answer = tuple[float, float, int, bytes]


async def _answer_of(connection: Connection, request: bytes) -> _Answer:
    sent = time.perf_counter()
    try:
        status, body = await connection.send(request)
    except Lost:
        status, body = 0, b""
    return sent, time.perf_counter(), status, body


def _call_of(name: str, wish: Wish, sent: float, answered: float, status: int, body: bytes) -> Call:
    """What the record says of an answer."""
    told: dict[str, Any] = json.loads(body) if status == 201 else {}
    return Call(
        name, wish.key, wish.order_id, wish.user_id, wish.code, sent, answered, status, told.get("redemption_id"),
        told["prices"]["discount"] if told else 0,
        hashlib.sha256(body).hexdigest() if status == 201 else _code_of(status, body),
    )  # fmt: skip


def _is_told(call: Call) -> bool:
    """Whether it is known now what became of the wish: it was carried out, or refused for good."""
    return call.status == 201 or (call.status == 409 and call.digest == "coupon_refused")


def _code_of(status: int, body: bytes) -> str:
    if not 400 <= status < 600:
        return ""
    try:
        return str(json.loads(body)["code"])
    except (ValueError, KeyError):
        return ""
