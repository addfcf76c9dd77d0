"""The door to Valkey and Redis: the only file that imports redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import redis
import redis.asyncio
import redis.exceptions
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from engine.errors import BadInput, StoreUnavailable

Client = redis.Redis
AsyncClient = redis.asyncio.Redis

#: What a command of either client raises when the store refuses it or is away.
StoreError: type[Exception] = redis.RedisError
#: What running a script by its hash raises on a server that does not know it (yet, or any more).
ScriptMissing: type[Exception] = redis.exceptions.NoScriptError
#: What an answer raises that comes too late, a connection that ended, and what the store refuses; StoreErrors all.
LateAnswer: type[Exception] = redis.TimeoutError
LostConnection: type[Exception] = redis.ConnectionError
StoreRefusal: type[Exception] = redis.ResponseError

# Within a request the live store gets this long; profiles fall back to the bundle's history after it.
LIVE_SECONDS = 0.25
# An append waits for the disk, which may be busy for a moment.
STREAM_SECONDS = 2.0
_STREAM_CHECK_KEY = "hawker:durable"


def connect_live(url: str, *, seconds: float = LIVE_SECONDS) -> Client:
    """A client of the store for current profiles and items, which has answered once.

    Each command gets `seconds`; none is repeated, since a late answer is worth nothing.
    Raises StoreUnavailable.
    """
    return _connect(url, "live", "HAWKER_REDIS_URL", seconds)


def connect_stream(url: str, *, seconds: float = STREAM_SECONDS) -> Client:
    """A client of the store for events that are not in the lake yet.

    A server that loses what it acknowledged is refused: without an append-only file that WAITAOF
    can wait for, or one that evicts keys of any kind when memory runs out. Raises StoreUnavailable.
    """
    client = _connect(url, "stream", "HAWKER_STREAM_URL", seconds)
    try:
        _refuse_forgetful(client, seconds)
    except redis.RedisError as error:
        client.close()
        raise StoreUnavailable(
            f"the stream at {_shown(client)} cannot promise to keep an event: {error}; it needs appendonly yes and "
            "WAITAOF (Valkey, or Redis 7.2 and later)",
            code="stream_not_durable",
        ) from error
    except StoreUnavailable:
        client.close()
        raise
    return client


def open_async(url: str, setting: str, *, seconds: float) -> AsyncClient:
    """A client for an event loop; it connects at its first command and again after the server came back.

    Each command gets `seconds`; none is repeated. Whoever needs the stream's promises checks them once with
    `connect_stream`. Raises BadInput for an address that cannot be one.
    """
    try:
        return redis.asyncio.Redis.from_url(
            url,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            retry=AsyncRetry(NoBackoff(), 0),
            decode_responses=False,
        )
    except ValueError as error:
        raise BadInput(f"{setting} is not an address of a Valkey or Redis: {error}", field=setting) from error


async def take_over(client: AsyncClient, protocol: asyncio.Protocol) -> Callable[[], None]:
    """Give `protocol` a connection of its own, as the client's address asks for it and ready for commands.

    What is returned ends it. Raises StoreError or OSError where the store is away.
    """
    pool: Any = client.connection_pool
    connection = pool.make_connection()
    await connection.connect()
    transport = connection._writer.transport  # the library keeps no better place for it
    transport.set_protocol(protocol)
    protocol.connection_made(transport)

    def end() -> None:
        transport.abort()
        connection._close()

    return end


def _connect(url: str, store: str, setting: str, seconds: float) -> Client:
    try:
        client = redis.Redis.from_url(
            url,
            socket_timeout=seconds,
            socket_connect_timeout=max(seconds, 1.0),
            retry=Retry(NoBackoff(), 0),
            decode_responses=False,
        )
    except ValueError as error:
        raise BadInput(f"{setting} is not an address of a Valkey or Redis: {error}", field=setting) from error
    try:
        client.ping()
    except redis.RedisError as error:
        client.close()
        raise StoreUnavailable(f"the {store} store at {_shown(client)} does not answer: {error}") from error
    return client


def _refuse_forgetful(client: Client, seconds: float) -> None:
    policy = str(_info(client, "memory").get("maxmemory_policy", ""))
    if policy.startswith("allkeys"):
        raise StoreUnavailable(
            f"the stream at {_shown(client)} may evict events (maxmemory-policy {policy}); set it to noeviction",
            code="stream_not_durable",
        )
    # WAITAOF waits for this connection's own last write, so there has to be one.
    pipeline = client.pipeline(transaction=False)
    pipeline.set(_STREAM_CHECK_KEY, b"1", px=10_000)
    pipeline.waitaof(1, 0, int(seconds * 500))
    _, reached = pipeline.execute()
    if int(reached[0]) < 1:
        raise StoreUnavailable(
            f"the stream at {_shown(client)} did not bring a write to its disk within {seconds / 2:g} s",
            code="stream_not_durable",
        )


def _info(client: Client, section: str) -> dict[str, Any]:
    answer: Any = client.info(section)
    return dict(answer)


def _shown(client: Client) -> str:
    """Where the client goes, without a password."""
    known = client.connection_pool.connection_kwargs
    return str(known.get("path") or f"{known.get('host', 'localhost')}:{known.get('port', 6379)}")
